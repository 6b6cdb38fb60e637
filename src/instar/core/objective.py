"""A loss that can be read: named, weighted terms. The same object gives the gradient and the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Term:
    """One summand of a loss: `weight * value`, logged as `value` under `name`."""

    name: str
    value: Tensor
    weight: float = 1.0


class Loss:
    """A sum of terms. Supports ``a + b``, ``a - b`` and ``2.0 * a``; names may not repeat."""

    def __init__(self, *terms: Term) -> None:
        names = [t.name for t in terms]
        repeated = sorted({n for n in names if names.count(n) > 1})
        if repeated:
            raise ValueError(f"a loss names a term twice: {', '.join(repeated)}")
        self.terms = terms

    def __add__(self, other: Loss) -> Loss:
        return Loss(*self.terms, *other.terms)

    def __sub__(self, other: Loss) -> Loss:
        return self + -1.0 * other

    def __rmul__(self, factor: float) -> Loss:
        return Loss(*(replace(t, weight=factor * t.weight) for t in self.terms))

    def total(self) -> Tensor:
        """Return the scalar to minimise. A term of weight 0 takes no part, not even as 0 * nan."""
        weighted = [t.value if t.weight == 1 else t.weight * t.value for t in self.terms if t.weight != 0]
        return torch.stack(weighted).sum() if weighted else torch.zeros(())


def term(name: str, value: Tensor) -> Loss:
    """Return a loss of one term with weight 1. `value` is a scalar."""
    if value.dim():
        raise ValueError(f"term {name!r} must be a scalar, got shape {tuple(value.shape)}")
    return Loss(Term(name, value))


@dataclass(frozen=True)
class Objective:
    """Minimise `loss` over the parameters of `over`, now."""

    name: str
    """Prefix in the log: "G" gives "G/cycle_x" and "G/total"."""
    over: tuple[nn.Module, ...]
    """Direct children of the method; each has an optimiser of its own."""
    loss: Loss
    counts: Mapping[str, Tensor] = field(default_factory=dict)
    """How many of the step's images are in each of K groups: numbers (K,), which are logged under the name given here,
    summed over the interval. They move nothing. A group that stays empty is named while training."""
