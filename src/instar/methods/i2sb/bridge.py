"""The Brownian bridge between two images, whose variance grows and shrinks alike at both ends."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SLOWEST = 0.1
"""Rate β at both ends, where a bridge takes time 1."""


class Bridge(nn.Module):
    """States X_n between an image X_0 and an image X_N, n = 0 ... N.

    σ²_n is the variance that n intervals add, so that share_n = σ²_n / σ²_N goes from 0 to 1.
    """

    share: Tensor
    """(N + 1,): how far X_n is from X_0 to X_N."""
    total: float
    """σ²_N."""

    def __init__(self, intervals: int, beta: float, *, noise: bool) -> None:
        """Make one.

        Args:
            intervals: N, even.
            beta: β_max; √β rises along a line to half way between √0.1 and √β_max in the middle, and falls again.
            noise: whether states are drawn; without it each is its mean, a point of the straight line.
        """
        super().__init__()
        self.noise = noise
        # In float64 and by numbers alone: the meta device, on which outlines are made, has no values.
        ends = SLOWEST**0.5, beta**0.5
        rising = [(ends[0] + (ends[1] - ends[0]) * n / (intervals - 1)) ** 2 / intervals for n in range(intervals // 2)]
        variance = [0.0]
        for rate in rising + rising[::-1]:
            variance.append(variance[-1] + rate)
        self.total = variance[-1]
        share = torch.tensor([value / self.total for value in variance], dtype=torch.float32)
        self.register_buffer("share", share, persistent=False)

    @property
    def intervals(self) -> int:
        """N."""
        return len(self.share) - 1

    def deviation(self, n: Tensor) -> Tensor:
        """Return σ_n (B, 1, 1, 1) of numbers n (B,)."""
        return (self.total * self.share[n]).sqrt()[:, None, None, None]

    def between(self, x0: Tensor, x1: Tensor, n: Tensor) -> Tensor:
        """Draw X_n for pairs of ends (B, C, H, W) and numbers n (B,) (eq. 11)."""
        share = self.share[n][:, None, None, None]
        mean = (1 - share) * x0 + share * x1
        return mean + (self.total * share * (1 - share)).sqrt() * torch.randn_like(mean) if self.noise else mean

    def earlier(self, x: Tensor, x0: Tensor, n: int, m: int, noise: Tensor | None) -> Tensor:
        """Draw X_m, m < n, where X_n = x and X_0 = x0 (eq. 4).

        Args:
            x: (B, C, H, W).
            x0: (B, C, H, W).
            n: number of x.
            m: number of what is wanted; 0 gives x0.
            noise: standard normal numbers (1 or B, C, H, W); None for the mean.
        """
        left = self.share[m] / self.share[n]
        mean = (1 - left) * x0 + left * x
        if noise is None:
            return mean
        return mean + (self.total * self.share[m] * (1 - left)).sqrt() * noise

    def stops(self, evaluations: int) -> list[int]:
        """Return numbers from N down to 0 in so many equal strides, to whole numbers."""
        return [round(self.intervals * (evaluations - i) / evaluations) for i in range(evaluations + 1)]
