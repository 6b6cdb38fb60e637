"""SPADE as its paper and the authors' code have it."""

import copy
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.batch import Paired
from instar.core.config import Optim
from instar.core.errors import UserError
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.methods.spade import SPADE, Config
from instar.testing.runs import Noise, build, interrupted_equals_whole, source_for, tiny, trainer
from methods.parts import count, scramble, values

STEPS = 4


def by_hand(method: SPADE, source: Noise, features: float) -> list[nn.Module]:
    """The authors' loop with its losses written out: G, then D on the same pictures."""
    G, D = nets = [copy.deepcopy(net) for net in (method.G, method.D)]
    adam_g = torch.optim.Adam(G.parameters(), lr=1e-4, betas=(0.0, 0.9))
    adam_d = torch.optim.Adam(D.parameters(), lr=4e-4, betas=(0.0, 0.9))
    for step in range(STEPS):
        share = 1 - max(0, step + 1 - STEPS // 2) / (STEPS - STEPS // 2 + 1)
        adam_g.param_groups[0]["lr"], adam_d.param_groups[0]["lr"] = 1e-4 * share, 4e-4 * share
        m, y = source.batch(step).a, source.batch(step).b
        seed_step(0, step)
        fake = G(m, m)
        on_fake = D(torch.cat([m, fake], 1))
        loss = sum(-scale[-1].mean() for scale in on_fake) / 2
        if features:
            on_real = D(torch.cat([m, y], 1))
            for one, other in zip(on_fake, on_real, strict=True):
                for i in range(len(one) - 1):
                    loss = loss + features * (one[i] - other[i].detach()).abs().mean() / 2
        adam_g.zero_grad()
        loss.backward()
        adam_g.step()
        adam_d.zero_grad()
        both = D(torch.cat([torch.cat([m, y], 1), torch.cat([m, fake.detach()], 1)]))
        real, made = zip(*((scale[-1][: len(y)], scale[-1][len(y) :]) for scale in both), strict=True)
        hinge = sum(nnf.relu(1 - r).mean() + nnf.relu(1 + f).mean() for r, f in zip(real, made, strict=True)) / 2
        hinge.backward()
        adam_d.step()
    return nets


@pytest.mark.parametrize(
    ("options", "size"), [({}, 2), ({"norm": "instance"}, 1), ({"features": 0.0}, 2)], ids=["batch", "instance", "gan"]
)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any], size: int) -> None:
    config = tiny("spade", {"steps": STEPS, "batch": size}, **options)
    method = cast(SPADE, scramble(build(config)))
    source = source_for(config, dtype=torch.float64)
    engine = trainer(config, tmp_path, method, source)
    before = [copy.deepcopy(net) for net in (method.G, method.D)]
    expected = by_hand(method, source, options.get("features", 10.0))
    for step in range(STEPS):
        engine.train_step(source.batch(step))
    for old, hand, net in zip(before, expected, (method.G, method.D), strict=True):
        for start, a, b in zip(old.parameters(), hand.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-8, rtol=0)
            assert a.dim() == 1 or (a - start).abs().max() > 1e-5


@pytest.mark.parametrize("options", [{"norm": "instance"}, {"labels": 2}], ids=str)
def test_resume(tmp_path: Path, options: dict[str, Any]) -> None:
    interrupted_equals_whole("spade", tmp_path, **options)


def test_parameter_counts() -> None:
    with torch.device("meta"):
        cityscapes = SPADE(Config(labels=36))
    assert (count(cityscapes.G), count(cityscapes.D)) == (93_048_003, 5_601_410)
    assert count(cityscapes) == 98_649_413


@pytest.fixture
def batch() -> Paired:
    return cast(Paired, Noise(Paired, size=2).batch(0))


def play(method: SPADE, batch: Paired) -> dict[str, Objective]:
    return {objective.name: objective for objective in method.objectives(batch, Progress(0, 10))}


class Says(nn.Module):
    """A discriminator of two scales with features of its own."""

    def __init__(self, says: float) -> None:
        super().__init__()
        self.says = says

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        return [[x, x.new_full((len(x), 1, 2, 2), self.says)]] * 2


@pytest.mark.parametrize(("says", "d", "g"), [(0.0, 2.0, 0.0), (1.0, 2.0, -1.0), (3.0, 4.0, -3.0)])
def test_hinge_values_are_means_over_scales(batch: Paired, says: float, d: float, g: float) -> None:
    method = cast(SPADE, build(tiny("spade")))
    method.D = Says(says)  # type: ignore[assignment]
    played = play(method, batch)
    assert played["D"].loss.total().item() == pytest.approx(d)
    assert values(played["G"])["gan"] == pytest.approx(g)


def test_features_of_equal_images_are_at_no_distance(batch: Paired) -> None:
    method = cast(SPADE, build(tiny("spade")))
    method.D = Says(0.0)  # type: ignore[assignment]
    m, y = batch.a, batch.b
    weights = {t.name: t.weight for t in method.generator_loss(m, y, y + 0.5).terms}
    assert weights == {"gan": 1, "features": 10}
    far, same = (values(Objective("G", (), method.generator_loss(m, y, fake))) for fake in (y + 0.5, y))
    assert far["features"] == pytest.approx(0.25)  # over the channels, half of which are the map's
    assert same["features"] == 0


def test_labels_are_found_before_the_first_step(tmp_path: Path) -> None:
    config = tiny("spade", {"steps": 1, "batch": 2}, labels=3)
    maps = torch.tensor([-1.0, 0.0, 1.0]).repeat_interleave(11)[:32].expand(2, 3, 32, 32)

    class Flat(Noise):
        def batch(self, step: int) -> Paired:
            return Paired(maps, super().batch(step).b)  # type: ignore[attr-defined]

    source = Flat(Paired, size=2)
    engine = trainer(config, tmp_path, build(config), source)
    engine.train_step(source.batch(0))
    method = cast(SPADE, engine.method)
    assert method.label_colours.colours[:, 0].tolist() == pytest.approx([-1, 0, 1], abs=0.01)
    assert method.label_map(maps).sum(1).unique().tolist() == [1]
    assert method.G.start.in_channels == 3
    assert method.D.scales[0].stages[0][0].in_channels == 6


def test_more_labels_than_colours_are_refused() -> None:
    method = cast(SPADE, build(tiny("spade", labels=5)))
    maps = torch.ones(1, 3, 8, 8)
    with pytest.raises(UserError, match=r"method.labels=5: the training maps show 1 colours; take .*labels=1, or 0"):
        method.prepare("train", [Paired(maps, maps)])


def test_recipe() -> None:
    cfg = Config()
    assert (cfg.optim, cfg.optim_d) == (Optim(lr=1e-4, betas=(0.0, 0.9)), Optim(lr=4e-4, betas=(0.0, 0.9)))
    assert (cfg.features, cfg.scales, cfg.norm) == (10, 2, "running")
    method = build(tiny("spade"))
    assert (method.optim("G"), method.optim("D")) == (Config(**{}).optim, cfg.optim_d)
