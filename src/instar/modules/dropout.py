"""Dropout whose chance can be handed in."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor
from torch.nn import functional as nnf

from instar.core.device import moved


class Masks:
    """In place of a generator: the masks of all layers, drawn by the caller.

    An exported graph takes them as inputs, since its own random numbers would be others than PyTorch's.
    """

    def __init__(self, masks: Iterator[Tensor]) -> None:
        self._masks = masks

    def applied(self, x: Tensor, p: float) -> Tensor:
        """Return x times the next mask, whose numbers are 0 or 1 / (1 - p)."""
        return x * next(self._masks)


def dropout(x: Tensor, p: float, generator: Generator | Masks | None = None) -> Tensor:
    """Set each number to 0 with probability p and divide the others by 1 - p, in training and evaluation mode alike.

    Args:
        x: of any shape.
        p: in [0, 1).
        generator: of the chance, on the CPU or on x's device; torch's global one if None.
    """
    if isinstance(generator, Masks):
        return generator.applied(x, p)
    if generator is None:
        return nnf.dropout(x, p)
    kept = torch.empty(x.shape, dtype=x.dtype, device=generator.device)  # in one order, whatever that of x in memory
    kept = kept.bernoulli_(1 - p, generator=generator).div_(1 - p)
    return x * moved(kept, x.device)
