"""The path of an image from its domain into the other, in a few strides."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Generator, Tensor

from instar.core.device import moved


@dataclass(frozen=True)
class Chance:
    """Where the noise of a walk comes from.

    Attributes:
        rows: how many images have noise of their own; 1 for one noise for all.
        generator: on the CPU; the global one if None.
        still: draw nothing: z is 1 everywhere, and nothing is added along the path.
    """

    rows: int = 1
    generator: Generator | None = None
    still: bool = False

    def z(self, size: int, like: Tensor) -> Tensor:
        """Return noise (rows, size) for the generator, of the type and on the device of a tensor."""
        if self.still:
            return like.new_ones(1, size)
        return moved(torch.randn(self.rows, size, generator=self.generator, dtype=like.dtype), like.device)

    def along(self, x: Tensor) -> Tensor:
        """Return noise (rows, C, H, W) for a stride of images (N, C, H, W)."""
        if self.still:
            return torch.zeros_like(x[:1])
        device = "cpu" if self.generator is None else self.generator.device
        # In one order, whatever that of x in memory; of a part of an image it is that of the whole.
        like = x if self.rows == len(x) else x[:1].expand(self.rows, -1, -1, -1)
        drawn = torch.empty_like(like, device=device, memory_format=torch.contiguous_format)
        return moved(drawn.normal_(generator=self.generator), x.device)


def places(intervals: int) -> list[float]:
    """Return t_0 = 0, t_1 = 1/2, ..., t_T = 1: after the first stride each is shorter than the one before."""
    ends = [0.0, *accumulate(1 / i for i in range(1, intervals))]
    return [0.0, *(0.5 + 0.5 * end / ends[-1] for end in ends)]


def between(x: Tensor, end: Tensor, here: float, there: float, tau: float, noise: Tensor) -> Tensor:
    """Return a state on the Brownian bridge from x at a place to `end` at 1 (eq. 7), at a place further on.

    Args:
        x: images (N, C, H, W) at place `here`.
        end: where their paths are thought to end.
        here: from 0 on, below 1.
        there: above `here`, below 1.
        tau: variance of the noise in a unit of the path.
        noise: normal numbers (N, C, H, W), or (1, C, H, W) for all.
    """
    stride = there - here
    share = stride / (1 - here)
    spread = float((tau * stride * (1 - share)) ** 0.5)
    return (1 - share) * x + share * end + spread * noise
