"""Quick: its step by hand, and facts that its parts stand for."""

import copy
import math
from pathlib import Path

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.batch import Unpaired
from instar.core.errors import UserError
from instar.core.method import defaults
from instar.core.progress import Progress
from instar.methods.quick.method import Config, Quick, coarse_change
from instar.methods.quick.structure import local_correlation_loss
from instar.networks.light import LAZY, augment
from instar.testing.runs import Noise, build, source_for, tiny, trainer
from methods.parts import values

STEPS = LAZY + 2


def squared_slope(D: nn.Module, images: Tensor) -> Tensor:
    (slope,) = torch.autograd.grad(D(images).sum(), images, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()


def by_hand(
    method: Quick, source: Noise, keep: float, weight: float, gamma: float, structure: float
) -> list[nn.Module]:
    """Three updates a step: D on pairs, D on its slopes in each eighth step, G against the D of now."""
    G, D = copy.deepcopy(method.G), copy.deepcopy(method.D)
    rate, share = 1e-3, 8 / 9
    adam_g = torch.optim.Adam(G.parameters(), lr=rate, betas=(0.0, 0.99))
    adam_d = torch.optim.Adam(D.parameters(), lr=2 * share * rate, betas=(0.0, 0.99**share))
    for step in range(STEPS):
        factor = 1 - max(0, step + 1 - 0.75 * STEPS) / (0.25 * STEPS + 1)
        adam_g.param_groups[0]["lr"], adam_d.param_groups[0]["lr"] = factor * rate, factor * 2 * share * rate
        batch = source.batch(step)
        x, y = batch.a, batch.b
        seed_step(0, step)

        fake, mask = G.blended(x)
        real, made, unchanged = D(augment(torch.cat([y, fake.detach(), x]))).chunk(3)
        loss = torch.log1p(torch.exp(made - real)).mean() + weight * torch.log1p(torch.exp(unchanged - real)).mean()
        adam_d.zero_grad()
        loss.backward()
        adam_d.step()

        if step % 8 == 0:
            slopes = [squared_slope(D, augment(images.detach()).requires_grad_()) for images in (y, fake)]
            adam_d.zero_grad()
            (8 * gamma / 2 * sum(slopes)).backward()
            adam_d.step()

        loss = torch.log1p(torch.exp(real.detach() - D(augment(fake)))).mean()
        loss = loss + keep * (nnf.avg_pool2d(fake, 4) - nnf.avg_pool2d(x, 4)).abs().mean() + 0.05 * mask.mean()
        loss = loss + structure * local_correlation_loss(x, fake)
        adam_g.zero_grad()
        loss.backward()
        adam_g.step()
    return [G, D]


def test_steps_equal_a_hand_written_loop(tmp_path: Path) -> None:
    config = tiny("quick", {"steps": STEPS}, keep=0.7, source=0.4, penalty=0.3, structure=0.2)
    method = build(config).double()
    assert isinstance(method, Quick)
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    before = [copy.deepcopy(net) for net in (method.G, method.D)]
    expected = by_hand(method, source, 0.7, 0.4, 0.3, 0.2)
    for step in range(STEPS):
        play.train_step(source.batch(step))
    for old, hand, net in zip(before, expected, (method.G, method.D), strict=True):
        for start, a, b in zip(old.parameters(), hand.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-7, rtol=0)
            assert (a - start).abs().max() > 1e-4


@pytest.fixture
def batch() -> Unpaired:
    return Noise(Unpaired, size=2).batch(0)  # type: ignore[return-value]


def names(method: Quick, batch: Unpaired, step: int = 0) -> list[str]:
    objectives = list(method.objectives(batch, Progress(step, 100)))
    return [f"{objective.name}/{name}" for objective in objectives for name in values(objective)]


def test_penalties_come_each_eighth_step(batch: Unpaired) -> None:
    method = build(tiny("quick"))
    assert isinstance(method, Quick)
    common = ["D/fake", "D/source", "G/gan", "G/mask", "G/keep", "G/structure"]
    assert names(method, batch, 0) == names(method, batch, 8) == ["D/fake", "D/source", "R/r1", "R/r2", *common[2:]]
    assert all(names(method, batch, step) == common for step in (1, 7, 9))


def test_what_has_no_weight_is_not_computed(batch: Unpaired) -> None:
    method = build(tiny("quick", keep=0.0, source=0.0, penalty=0.0, structure=0.0))
    assert isinstance(method, Quick)
    assert names(method, batch) == ["D/fake", "G/gan", "G/mask"]


def test_coarse_change_sees_colour_and_no_detail() -> None:
    x = torch.zeros(1, 3, 64, 64)
    stripes = torch.ones(64).reshape(32, 2).mul(torch.tensor([1.0, -1.0])).flatten().expand_as(x)
    assert coarse_change(x, stripes) == 0
    assert coarse_change(x, x + 0.25) == pytest.approx(0.25)
    spot = x.clone()
    spot[:, :, :8, :8] = 1
    assert coarse_change(x, spot) == pytest.approx(1 / 64)


def test_translations_stay_in_range() -> None:
    method = Quick(Config(side=32, width=8))
    with torch.no_grad():
        method.G.out.bias.fill_(9.0)
        method.G.out.weight.mul_(100)
        method.G.colour.weight.mul_(100)
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    out = method.translate(x)
    assert out.shape == x.shape
    assert -1 <= out.min() < -0.99
    assert 0.99 < out.max() <= 1


def test_sides() -> None:
    with pytest.raises(UserError, match=r"side=48: take 32, 64, 128 or 256"):
        Config(side=48)
    config = defaults("quick", Quick, "small")
    assert Quick(config.method).check(config) == ""
    other = defaults("quick", Quick, "medium")
    with pytest.raises(UserError, match=r"size=128"):
        Quick(config.method).check(other)


def test_loss_at_a_tie() -> None:
    method = Quick(Config(side=32, width=8))
    loss = method.discriminator_loss(torch.zeros(3), torch.zeros(3), torch.zeros(3))
    assert loss.total().item() == pytest.approx(1.5 * math.log(2))
