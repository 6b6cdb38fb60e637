"""Dropout whose chance can be handed in."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional as nnf


def dropout(x: Tensor, p: float, generator: Generator | None = None) -> Tensor:
    """Set each number to 0 with probability p and divide the others by 1 - p, in training and evaluation mode alike.

    Args:
        x: of any shape.
        p: in [0, 1).
        generator: of the chance, on the CPU or on x's device; torch's global one if None.
    """
    if generator is None:
        return nnf.dropout(x, p)
    kept = torch.empty_like(x, device=generator.device).bernoulli_(1 - p, generator=generator).div_(1 - p)
    return x * kept.to(x.device)
