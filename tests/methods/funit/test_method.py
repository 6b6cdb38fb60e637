"""FUNIT as the paper and the authors' code have it."""

import copy
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn

from instar.core.batch import ManyDomains
from instar.core.config import Optim
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.core.seed import generator
from instar.methods.funit import FUNIT, Config
from instar.testing.runs import Noise, build, interrupted_equals_whole, source_for, tiny, trainer
from methods.parts import count, scramble, values

STEPS = 4


def slope(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    means = net(x, y)[0].mean((1, 2))
    (found,) = torch.autograd.grad(means.sum(), x, create_graph=True)
    return found.pow(2).flatten(1).sum(1).mean()


def by_hand(method: FUNIT, source: Noise, w: Config) -> list[nn.Module]:
    """The authors' loop, every pass on its own."""
    G, D = nets = [copy.deepcopy(net) for net in (method.G, method.D)]
    adams = []
    for net in nets:
        kernels, rest = ([p for p in net.parameters() if (p.dim() > 1) == one] for one in (True, False))
        groups = [{"params": kernels, "weight_decay": 1e-4}, {"params": rest}]
        adams.append(torch.optim.Adam(groups, lr=1e-4, betas=(0.0, 0.99)))
    for step in range(STEPS):
        batch = cast(ManyDomains, source.batch(step))
        x, y, ref, to = batch.x, batch.y, batch.x_ref, batch.y_ref
        seed_step(0, step)
        fake, same = G(x, G.style(ref)), G(x, G.style(x))
        loss = (1 - D(ref, to)[0]).relu().mean() + (1 + D(fake.detach(), to)[0]).relu().mean()
        loss = loss + w.r1 * slope(D, ref, to)
        D.zero_grad()
        loss.backward()
        adams[1].step()
        (on_fake, of_fake), (on_same, of_same) = D(fake, to), D(same, y)
        loss = 0.5 * (-on_fake.mean() - on_same.mean()) + w.recon * (same - x).abs().mean()
        loss = loss + w.features * (of_fake - D(ref, to)[1].detach()).abs().mean()
        loss = loss + w.features * (of_same - D(x, y)[1].detach()).abs().mean()
        G.zero_grad()
        loss.backward()
        adams[0].step()
    return nets


@pytest.mark.parametrize(
    "options",
    [{"domains": 3}, {}, {"domains": 3, "recon": 2.0, "features": 0.5, "r1": 0.3}, {"features": 0.0, "r1": 0.0}],
    ids=["paper", "two", "weights", "plain"],
)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any]) -> None:
    config = tiny("funit", {"steps": STEPS, "batch": 6}, **options)
    method = cast(FUNIT, scramble(build(config)))
    source = source_for(config, dtype=torch.float64)
    engine = trainer(config, tmp_path, method, source)
    before = [copy.deepcopy(net) for net in (method.G, method.D)]
    expected = by_hand(method, source, cast(Config, config.method))
    for step in range(STEPS):
        engine.train_step(source.batch(step))
    for old, hand, net in zip(before, expected, (method.G, method.D), strict=True):
        for start, a, b in zip(old.parameters(), hand.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-7, rtol=0)
            assert a.dim() == 1 or (a - start).abs().max() > 1e-5


def test_resume(tmp_path: Path) -> None:
    interrupted_equals_whole("funit", tmp_path, domains=3)


def test_parameter_counts() -> None:
    with torch.device("meta"):
        method = FUNIT(Config(domains=119))
    assert (count(method.G), count(method.D)) == (29_866_435, 54_252_599)


def make(**options: Any) -> FUNIT:
    return cast(FUNIT, build(tiny("funit", **options)))


def play(method: FUNIT) -> dict[str, Objective]:
    batch = cast(ManyDomains, Noise(ManyDomains.of(len(method.targets)), size=2).batch(0))
    return {objective.name: objective for objective in method.objectives(batch, Progress(0, 10))}


def test_values_of_a_discriminator_that_knows_nothing() -> None:
    method = make()
    method.D.forward = lambda x, y: (x.mean(1) * 0, x.mean((2, 3)) * 0)  # type: ignore[method-assign]
    played = play(method)
    assert values(played["D"]) == {"real": 1.0, "fake": 1.0, "r1": 0.0}
    found = values(played["G"])
    assert (found["gan"], found["gan_recon"], found["features"], found["features_recon"]) == (0, 0, 0, 0)


def test_weights_of_the_terms() -> None:
    played = play(make())
    assert {t.name: t.weight for t in played["D"].loss.terms} == {"real": 1, "fake": 1, "r1": 10}
    assert {t.name: t.weight for t in played["G"].loss.terms} == {
        "gan": 0.5, "gan_recon": 0.5, "recon": 0.1, "features": 1, "features_recon": 1,
    }  # fmt: skip


@torch.no_grad()
def test_codes_that_are_drawn_are_those_of_training_images_of_the_domain() -> None:
    method = make(domains=3)
    method.codes.push(torch.arange(3.0)[:, None].expand(-1, 8), torch.tensor([2, 0, 2]))
    for domain, known in (("a", {1.0}), ("c", {0.0, 2.0})):
        drawn = method.sample_style(20, generator(0), to=domain)
        assert set(drawn[:, 0].tolist()) == known
    assert len(method.sample_style(2, generator(0), to="b").unique(dim=0)) == 2  # none is known of b


def test_a_step_remembers_the_codes_of_its_references() -> None:
    method = make(domains=3)
    play(method)
    assert method.codes.counts().tolist() == [2, 2, 2]


@torch.no_grad()
def test_an_image_of_any_class_is_a_reference() -> None:
    """Its domain is not asked for, and the code of copies of an image is that of the image."""
    method = make(domains=3).eval()
    x, reference = torch.rand(2, 3, 32, 32), torch.rand(1, 3, 48, 40)
    code = method.encode_style(reference, domain="a")
    assert torch.equal(code, method.encode_style(reference, domain="c"))
    torch.testing.assert_close(method.encode_style(reference.expand(5, -1, -1, -1), domain="a").mean(0), code[0])
    out = method.translate(x, to="b", style=code.expand(2, -1))
    assert torch.equal(out, method.G(x, code.expand(2, -1)))


def test_recipe() -> None:
    cfg = Config()
    assert cfg.optim == Optim(lr=1e-4, betas=(0.0, 0.99), hold=1.0, weight_decay=1e-4)
    assert (cfg.recon, cfg.features, cfg.r1) == (0.1, 1, 10)
