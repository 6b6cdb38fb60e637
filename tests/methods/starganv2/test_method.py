"""StarGAN v2 as the paper and the authors' code have it."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.batch import ManyDomains
from instar.core.config import ManyDomainsConfig
from instar.core.errors import UserError
from instar.core.method import defaults
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.core.seed import generator
from instar.methods.starganv2 import Config, StarGANv2
from instar.testing.runs import Noise, build, interrupted_equals_whole, source_for, tiny, trainer
from methods.parts import count, scramble, values

STEPS = 4


def by_hand(method: StarGANv2, source: Noise, weights: dict[str, float]) -> list[nn.Module]:
    """The authors' loop, every pass on its own."""
    G, F, E, D = nets = [copy.deepcopy(net) for net in (method.G, method.F, method.E, method.D)]
    rates = (1e-4, 1e-4, 1e-4, 1e-4)
    adams = []
    for net, rate in zip(nets, rates, strict=True):
        kernels, rest = ([p for p in net.parameters() if (p.dim() > 1) == one] for one in (True, False))
        groups = [{"params": kernels, "weight_decay": 1e-4}, {"params": rest}]
        adams.append(torch.optim.Adam(groups, lr=rate, betas=(0.0, 0.99)))

    def move(loss: Tensor, *chosen: int) -> None:
        for net in nets:
            net.zero_grad()
        loss.backward()
        for i in chosen:
            adams[i].step()

    def of_d(x: Tensor, y: Tensor, fake: Tensor, to: Tensor) -> Tensor:
        x = x.clone().requires_grad_()
        real = D(x, y)
        (slope,) = torch.autograd.grad(real.sum(), x, create_graph=True)
        penalty = 0.5 * slope.pow(2).view(len(x), -1).sum(1).mean()
        ones, zeros = torch.ones_like(real), torch.zeros_like(real)
        entropy = nnf.binary_cross_entropy_with_logits
        return entropy(real, ones) + entropy(D(fake.detach(), to), zeros) + weights.get("r1", 1.0) * penalty

    def of_g(batch: ManyDomains, s: Tensor, s2: Tensor, ds: float) -> Tensor:
        x, y, to = batch.x, batch.y, batch.y_ref
        fake = G(x, s)
        out = D(fake, to)
        loss = nnf.binary_cross_entropy_with_logits(out, torch.ones_like(out))
        loss = loss + weights.get("style", 1.0) * (E(fake, to) - s).abs().mean()
        loss = loss - ds * (fake - G(x, s2).detach()).abs().mean()
        return loss + weights.get("cycle", 1.0) * (G(fake, E(x, y)) - x).abs().mean()

    ds = whole = weights.get("diversity", 1.0)
    for step in range(STEPS):
        batch = cast(ManyDomains, source.batch(step))
        x, y, to = batch.x, batch.y, batch.y_ref
        seed_step(0, step)
        z, z2 = (torch.randn(len(x), 4, dtype=torch.float64) for _ in range(2))
        move(of_d(x, y, G(x, F(z, to)), to), 3)
        move(of_d(x, y, G(x, E(batch.x_ref, to)), to), 3)
        move(of_g(batch, F(z, to), F(z2, to), ds), 0, 1, 2)
        move(of_g(batch, E(batch.x_ref, to), E(batch.x_ref2, to), ds), 0)
        ds -= whole / STEPS
    return nets


@pytest.mark.parametrize(
    "options",
    [
        {"domains": 3},
        {},
        {"domains": 3, "diversity": 2.0, "style": 0.5, "cycle": 3.0, "r1": 10.0},
        {"r1": 0.0, "diversity": 0.0},
    ],
    ids=["paper", "two", "weights", "plain"],
)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any]) -> None:
    config = tiny("starganv2", {"steps": STEPS}, **options)
    method = cast(StarGANv2, scramble(build(config)))
    source = source_for(config, dtype=torch.float64)
    play = trainer(config, tmp_path, method, source)
    nets = (method.G, method.F, method.E, method.D)
    before = [copy.deepcopy(net) for net in nets]
    expected = by_hand(method, source, options)
    for step in range(STEPS):
        play.train_step(source.batch(step))
    for old, hand, net in zip(before, expected, nets, strict=True):
        for start, a, b in zip(old.parameters(), hand.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-8, rtol=0)
            assert a.dim() == 1 or (a - start).abs().max() > 1e-5


def test_resume(tmp_path: Path) -> None:
    interrupted_equals_whole("starganv2", tmp_path, domains=3)


@pytest.mark.parametrize(
    ("domains", "f", "e", "d"), [(2, 2438272, 20916928, 20852290), (3, 3259072, 20949760, 20852803)]
)
def test_parameter_counts(domains: int, f: int, e: int, d: int) -> None:
    """Those of the authors' networks without the high-pass skip."""
    with torch.device("meta"):
        method = StarGANv2(Config(domains=domains))
    assert [count(net) for net in (method.G, method.F, method.E, method.D)] == [33892995, f, e, d]


def make(**options: Any) -> StarGANv2:
    return cast(StarGANv2, build(tiny("starganv2", **options)))


def play(method: StarGANv2, at: Progress) -> dict[str, Objective]:
    batch = cast(ManyDomains, Noise(ManyDomains.of(len(method.targets)), size=2).batch(0))
    return {objective.name: objective for objective in method.objectives(batch, at)}


@pytest.mark.parametrize(("step", "weight"), [(0, -2.0), (25, -1.5), (99, -0.02)])
def test_the_diversity_term_fades_in_a_straight_line(step: int, weight: float) -> None:
    played = play(make(diversity=2.0), Progress(step, 100))
    for name in ("G", "G_ref"):
        (term,) = [term for term in played[name].loss.terms if term.name == "diversity"]
        assert term.weight == pytest.approx(weight)


def test_values_of_discriminators_that_know_nothing() -> None:
    method = make()
    method.D.forward = lambda x, domain: x.sum((1, 2, 3)) * 0  # type: ignore[method-assign]
    played = play(method, Progress(0, 10))
    for name in ("D", "D_ref"):
        assert values(played[name]) == pytest.approx({"real": 0.693147, "fake": 0.693147, "r1": 0.0}, abs=1e-6)
    assert values(played["G"])["gan"] == pytest.approx(0.693147, abs=1e-6)


@torch.no_grad()
def test_styles_are_of_the_domain_that_is_asked_for() -> None:
    method = make(domains=3).eval()
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    z = method.noise(2, generator(1))
    for number, domain in enumerate("abc"):
        drawn = method.sample_style(2, generator(1), to=domain)
        assert torch.equal(drawn, method.F(z, torch.tensor([number] * 2)))
        assert torch.equal(method.encode_style(x, domain=domain), method.E(x, torch.tensor([number] * 2)))
        assert torch.equal(
            method.translate(x, to=domain, generator=generator(1)),
            method.translate(x, to=domain, style=method.sample_style(1, generator(1), to=domain).expand(2, -1)),
        )
    wide = torch.rand(1, 3, 40, 70) * 2 - 1
    assert method.encode_style(wide, domain="c").shape == (1, 8)


def test_targets_are_as_many_as_the_domains() -> None:
    assert make(domains=5).targets == ("a", "b", "c", "d", "e")
    with torch.device("meta"):
        assert StarGANv2(Config(side=32, width=2)).targets == ("a", "b")
    assert issubclass(Config, ManyDomainsConfig)
    assert len(StarGANv2.kind_of(Config(domains=7)).parts) == 7


def test_settings_that_leave_a_network_without_work_are_refused() -> None:
    with pytest.raises(UserError, match=r"method\.style=0 and method\.cycle=0 leave the style encoder untrained"):
        Config(style=0, cycle=0)
    with pytest.raises(UserError, match=r"method\.side must be a power of 2 from 32"):
        Config(side=48)
    config = defaults("starganv2", StarGANv2, "tiny")
    with pytest.raises(UserError, match="size=64: these networks take 32 px"):
        make().check(replace(config, data=replace(config.data, size=64)))
