"""What a norm or a pooling needs of a whole image, summed up over strips of rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Of each channel: float64 on the CPU, shaped as the features without rows and columns.

    Attributes:
        count: pixels.
        mean: over all of them.
        squares: sum of squared distances from the mean.
        largest: over all of them.
    """

    count: int
    mean: Tensor
    squares: Tensor
    largest: Tensor

    @classmethod
    def of(cls, strip: Tensor) -> Moments:
        """Return those of a strip (..., rows, W)."""
        full = strip.to(torch.promote_types(strip.dtype, torch.float32))
        mean = full.mean((-2, -1), keepdim=True)
        squares = (full - mean).square_().sum((-2, -1))
        parts = (one.cpu().double() for one in (mean[..., 0, 0], squares, full.amax((-2, -1))))
        return cls(strip.shape[-2] * strip.shape[-1], *parts)

    def joined(self, other: Moments) -> Moments:
        """Return those of both strips together, without the cancellation of sums of squares (Chan et al. 1979)."""
        count = self.count + other.count
        apart = other.mean - self.mean
        return Moments(
            count,
            self.mean + apart * (other.count / count),
            self.squares + other.squares + apart.square() * (self.count * other.count / count),
            torch.maximum(self.largest, other.largest),
        )

    def reshaped(self, *shape: int) -> Moments:
        """Return the same in another shape."""
        return Moments(self.count, *(one.reshape(shape) for one in (self.mean, self.squares, self.largest)))

    def counted(self, count: int) -> Moments:
        """Return what they would be of so many pixels of the same kind."""
        return Moments(count, self.mean, self.squares * (count / self.count), self.largest)

    def over(self, dims: tuple[int, ...]) -> Moments:
        """Return those of several channels together: over dimensions of the shape, which stay with length 1."""
        if not dims:
            return self
        channels = 1
        for dim in dims:
            channels *= self.mean.shape[dim]
        mean = self.mean.mean(dims, keepdim=True)
        apart = (self.mean - mean).square().sum(dims, keepdim=True) * self.count
        squares = self.squares.sum(dims, keepdim=True) + apart
        return Moments(self.count * channels, mean, squares, self.largest.amax(dims, keepdim=True))
