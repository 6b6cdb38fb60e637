"""What a first step would give, for any method; nothing of it stays."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from instar.core import registry
from instar.core.config import RunConfig
from instar.engine.computing import GRADIENT, LOSS
from instar.engine.first_step import Slope, farthest, slopes
from instar.engine.parallel import fabric_of
from instar.engine.steps import Steps
from instar.testing.runs import build, source_for, tiny


def steps_of(config: RunConfig) -> Steps:
    return Steps(fabric_of("cpu"), build(config), config, Path("run"), source_for(config), lambda _: None)


def slope(loss: float, *gradients: float) -> Slope:
    return Slope(torch.tensor(loss), [torch.tensor([value]) for value in gradients])


@pytest.mark.parametrize("name", registry.names())
def test_nothing_of_it_stays_and_bfloat16_agrees(name: str) -> None:
    """Weights, buffers, pools and queues are what they were: the same step again gives the same bits."""
    steps = steps_of(tiny(name, {"batch": 2}))
    before = {key: value.clone() for key, value in steps.method.state_dict().items()}
    batch = steps.source.batch(0)
    one, again = slopes(steps, batch), slopes(steps, batch)
    after = steps.method.state_dict()
    assert [key for key, value in before.items() if not torch.equal(value, after[key])] == []
    assert (steps.step, steps.phase) == (0, "")
    assert all(parameter.grad is None for parameter in steps.method.parameters())
    found = farthest(one, again)
    assert (found.loss, found.gradient) == (0, 0)
    steps.cfg = replace(steps.cfg, precision="bf16")
    other = farthest(one, slopes(steps, batch))
    assert other.gradient > 0
    assert other.within(LOSS, GRADIENT), other


def test_gradients_are_those_of_the_step_that_follows() -> None:
    """Of the first objective; the networks of later ones have moved by then."""
    steps, seen = steps_of(tiny("cyclegan", {"batch": 2})), []
    batch = steps.source.batch(0)
    wanted = slopes(steps, batch)
    take = steps.optimizers.step

    def look(names: list[str], *rest: object) -> None:
        seen.append([p.grad.clone() for p in steps.optimizers.parameters(names) if p.grad is not None])
        take(names, *rest)  # type: ignore[arg-type]

    steps.optimizers.step = look  # type: ignore[method-assign, assignment]
    steps.take(batch)
    assert all(torch.equal(one, other) for one, other in zip(seen[0], wanted["G"].gradients, strict=True))
    assert len(seen) == len(wanted)


def test_the_farthest_of_all_objectives_counts() -> None:
    one = {"G": slope(2.0, 3.0, 4.0), "D": slope(0.1, 1.0)}
    found = farthest(one, {"G": slope(2.2, 3.0, 4.5), "D": slope(0.15, 1.0)})
    assert found.loss == pytest.approx(0.1)
    assert found.gradient == pytest.approx(0.1)
    assert (found.loss_of, found.gradient_of) == ("G", "G")
    assert str(found) == "10.0% of the loss of G and 10% of the gradient of G"
    assert found.within(0.11, 0.11)
    assert not found.within(0.09, 0.11)
    assert not found.within(0.11, 0.09)


@pytest.mark.parametrize("other", [slope(math.nan, 1.0), slope(0.1, math.nan), slope(math.inf, 1.0), slope(0.1, -1.0)])
def test_what_is_no_number_or_points_elsewhere_does_not_agree(other: Slope) -> None:
    one = {"G": slope(2.0, 3.0), "D": slope(0.1, 1.0)}
    assert not farthest(one, {"G": slope(2.0, 3.0), "D": other}).within(LOSS, GRADIENT)


def test_two_gradients_of_nothing_are_equal() -> None:
    nothing: dict[str, Slope] = {"G": Slope(torch.zeros(()), [torch.zeros(3)])}
    found = farthest(nothing, nothing)
    assert (found.loss, found.gradient) == (0, 0)
    moved: Tensor = torch.ones(3)
    assert not farthest(nothing, {"G": Slope(torch.zeros(()), [moved])}).within(LOSS, GRADIENT)
