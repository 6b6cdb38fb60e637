"""What a first step would give: ways of computing it are compared before a run begins. Nothing of it stays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn.utils import get_total_norm

from instar.core.batch import Batch
from instar.core.seed import seeded
from instar.engine.steps import Steps

TINY = 1e-12
"""Norm of a gradient below which it counts as so large: where both are 0 they do not differ."""


@dataclass(frozen=True)
class Slope:
    """An objective of a step that is not taken.

    Attributes:
        loss: its total.
        gradients: of the networks that it moves, in the optimisers' order.
    """

    loss: Tensor
    gradients: list[Tensor]


def slopes(steps: Steps, batch: Batch) -> dict[str, Slope]:
    """Return the objectives of the step that comes next, by name, for networks that none of them moves.

    Args:
        steps: of the run.
        batch: of the step; of `train.accumulate` parts the first one.
    """
    back, phase = steps.undo.mark(whole=True), steps.phase
    steps.begin_graphs()
    try:
        with seeded(steps.cfg.seed, steps.step):
            steps.enter_phase(steps.at)
            return _slopes(steps, batch.split(steps.cfg.accumulate)[0])
    finally:
        back()
        steps.phase = phase
        for parameter in steps.method.parameters():
            parameter.grad = None


def _slopes(steps: Steps, batch: Batch) -> dict[str, Slope]:
    found = {}
    rounds = steps.method.objectives(batch, steps.at)
    while objective := steps.advance(rounds):
        loss = steps.backward(objective)
        moved = steps.optimizers.parameters(steps.optimizers.names(objective.over))
        found[objective.name] = Slope(loss, [p.grad for p in moved if p.grad is not None])
    return found


@dataclass(frozen=True)
class Difference:
    """How far a second way of computing a step is from a first one, in the objectives that differ most.

    Attributes:
        loss: of the totals, as a share of the first one or of 1 if that is larger.
        loss_of: the objective.
        gradient: norm of the difference of the gradients, as a share of the first one's norm.
        gradient_of: the objective.
    """

    loss: float
    loss_of: str
    gradient: float
    gradient_of: str

    def within(self, loss: float, gradient: float) -> bool:
        """Return whether both are at most so large; what is no number is not."""
        return self.loss <= loss and self.gradient <= gradient

    def __str__(self) -> str:
        return (
            f"{self.loss:.1%} of the loss of {self.loss_of} and {self.gradient:.0%} of the gradient of "
            f"{self.gradient_of}"
        )


def farthest(one: Mapping[str, Slope], other: Mapping[str, Slope]) -> Difference:
    """Compare two ways of computing a step."""
    losses = {name: _of_loss(slope, other[name]) for name, slope in one.items()}
    gradients = {name: _of_gradient(slope, other[name]) for name, slope in one.items()}
    loss, gradient = _worst(losses), _worst(gradients)
    return Difference(losses[loss], loss, gradients[gradient], gradient)


def _of_loss(one: Slope, other: Slope) -> float:
    return float((one.loss - other.loss).abs() / one.loss.abs().clamp(min=1))


def _of_gradient(one: Slope, other: Slope) -> float:
    apart = [a - b for a, b in zip(one.gradients, other.gradients, strict=True)]
    return float(get_total_norm(apart) / get_total_norm(one.gradients).clamp(min=TINY))


def _worst(shares: Mapping[str, float]) -> str:
    """Return the name of the largest share; one that is no number is the largest."""
    return max(shares, key=lambda name: (math.isnan(shares[name]), shares[name]))
