"""DANN as its paper has it."""

import copy
import math
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.batch import Labelled
from instar.core.errors import UserError
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.methods.dann import DANN, Config
from instar.modules.warp import random_warp
from instar.testing.runs import Noise, build, interrupted_equals_whole, tiny
from methods.parts import count, steps_equal, values

STEPS = 4
NETS = ("F", "C", "D")


def by_hand(method: DANN, source: Noise, w: Config) -> list[nn.Module]:
    """Two losses and two backward passes: the domains' gradient of the features is taken away, not added."""
    F, C, D = nets = [copy.deepcopy(getattr(method, name)) for name in NETS]
    adams = [torch.optim.Adam(net.parameters(), lr=1e-3) for net in nets]
    for step in range(STEPS):
        batch = cast(Labelled, source.batch(step))
        seed_step(0, step)
        x, y = random_warp(batch.a, w.warp), random_warp(batch.b, w.warp)
        held = round(STEPS * 0.25)
        for adam in adams:
            adam.param_groups[0]["lr"] = 1e-3 * (1 - max(0, step + 1 - held) / (STEPS - held + 1))
        label = nnf.cross_entropy(C(F(x)), batch.labels)
        domains = torch.tensor([[0.0]] * len(x) + [[1.0]] * len(y), dtype=x.dtype)
        domain = nnf.binary_cross_entropy_with_logits(D(F(torch.cat([x, y]))), domains)
        p = step / STEPS
        strength = w.domain * (2 / (1 + math.exp(-10 * p)) - 1)
        of_F = torch.autograd.grad(label - strength * domain, list(F.parameters()), retain_graph=True)
        of_C = torch.autograd.grad(label, list(C.parameters()))
        of_D = torch.autograd.grad(domain, list(D.parameters()))
        for net, gradients, adam in zip(nets, (of_F, of_C, of_D), adams, strict=True):
            for parameter, gradient in zip(net.parameters(), gradients, strict=True):
                parameter.grad = gradient
            adam.step()
    return nets


@pytest.mark.parametrize("options", [{}, {"domain": 0.0}, {"domain": 2.0, "warp": 1.0}], ids=["dann", "source", "warp"])
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any]) -> None:
    config = tiny("dann", {"steps": STEPS, "batch": 4}, **options)
    steps_equal(config, tmp_path, NETS, by_hand)


def test_resume(tmp_path: Path) -> None:
    interrupted_equals_whole("dann", tmp_path, warp=1.0)


def test_parameter_counts() -> None:
    """Those of figure 4 (a): 5 x 5 convolutions to 32 and 48 channels; 100, 100 and 10 numbers; 100 and 1."""
    with torch.device("meta"):
        method = DANN(Config())
    features = 3 * 25 * 32 + 32 + 32 * 25 * 48 + 48
    assert [count(getattr(method, name)) for name in NETS] == [features, 88_010, 77_001] == [40_880, 88_010, 77_001]


@pytest.mark.parametrize(("share", "strength"), [(0.0, 0.0), (0.1, 0.462), (0.5, 0.987), (1.0, 1.0)])
def test_reversed_gradients_grow(share: float, strength: float) -> None:
    """Eq. 14: 2 / (1 + exp(-10 p)) - 1."""
    method = cast(DANN, build(tiny("dann", domain=3.0)))
    assert method.strength(Progress(int(1000 * share), 1000)) == pytest.approx(3 * strength, abs=2e-3)


def test_values_of_a_discriminator_that_knows_nothing() -> None:
    method = cast(DANN, build(tiny("dann")))
    for parameter in (*method.D.parameters(), *method.C.parameters()):
        nn.init.zeros_(parameter)
    batch = cast(Labelled, Noise(Labelled, side=28, size=2).batch(0))
    (objective,) = cast("list[Objective]", list(method.objectives(batch, Progress(0, 10))))
    found = values(objective)
    assert found == {"label": pytest.approx(math.log(10)), "domain": pytest.approx(math.log(2))}


@torch.no_grad()
def test_it_classifies_and_translates_nothing() -> None:
    method = cast(DANN, build(tiny("dann"))).eval()
    x = torch.rand(2, 3, 28, 28)
    logits: Tensor = method.classify(x)
    assert logits.shape == (2, 10)
    assert torch.equal(logits, method.classify(x, "a"))
    with pytest.raises(UserError, match="DANN translates nothing"):
        method.translate(x)


def test_settings_that_cannot_be() -> None:
    config = tiny("dann")
    method = build(config)
    batch = cast(Labelled, Noise(Labelled, side=28, size=2).batch(0))
    labels = torch.full_like(batch.labels, 12)
    with pytest.raises(UserError, match=r"there are 13 classes: set method\.classes, not 10"):
        next(method.objectives(Labelled(batch.a, batch.b, labels=labels), Progress(0, 10)))
