"""Where the pixels of a large image come from and go to: windows of it, which need not be in memory as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

SMALLEST_PART = 96
"""Rows and columns of a part: networks pad what is left of them after their downsamplings."""
STRIP_PIXELS = 2**20
"""That are read at a time where an image is made smaller."""


@dataclass(frozen=True)
class Box:
    """A part of an image: rows `top` to `bottom` - 1, columns `left` to `right` - 1."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def pixels(self) -> int:
        """All of them."""
        return self.height * self.width

    def of(self, x: Tensor) -> Tensor:
        """Return this part of features (..., H, W)."""
        return x[..., self.top : self.bottom, self.left : self.right]

    def within(self, other: Box) -> Box:
        """Return this box as seen from another one that holds it."""
        top, left = self.top - other.top, self.left - other.left
        return Box(top, left, top + self.height, left + self.width)

    def grown(self, by: int, whole: Box, step: int) -> Box:
        """Return a box with so many rows and columns more on each side, as far as the whole goes.

        It is large enough for networks, and begins at a multiple of `step`, as this one does.
        """
        least = -(-SMALLEST_PART // step) * step
        top = max(min(self.top - by, whole.bottom - least), 0)
        left = max(min(self.left - by, whole.right - least), 0)
        bottom, right = max(self.bottom + by, least), max(self.right + by, least)
        return Box(top, left, min(bottom, whole.bottom), min(right, whole.right))


class Source(Protocol):
    """An image (1, C, H, W) in [-1, 1] of which windows can be had."""

    @property
    def shape(self) -> torch.Size:
        """(1, C, H, W)."""

    def window(self, box: Box) -> Tensor:
        """Return a part (1, C, h, w), float32 on the CPU. It may share memory, so it is not to be changed."""


Target = Callable[[Box, Tensor], None]
"""Takes a part (1, D, h, w) of the result."""


@dataclass(frozen=True)
class Held:
    """An image that is there as a whole."""

    tensor: Tensor

    @property
    def shape(self) -> torch.Size:
        """(1, C, H, W)."""
        return self.tensor.shape

    def window(self, box: Box) -> Tensor:
        """Return a part."""
        return box.of(self.tensor)


@dataclass
class Collected:
    """A result that is put together in memory: a `Target`."""

    height: int
    width: int
    made: Tensor | None = None

    def __call__(self, box: Box, part: Tensor) -> None:
        """Take a part."""
        if self.made is None:
            self.made = torch.empty(1, part.shape[1], self.height, self.width, dtype=part.dtype)
        box.of(self.made).copy_(part)

    def tensor(self) -> Tensor:
        """Return all of it: (1, D, H, W), on the CPU."""
        assert self.made is not None
        return self.made


def all_of(source: Source) -> Box:
    """Return the box that is the whole image."""
    return Box(0, 0, source.shape[-2], source.shape[-1])


def boxes(whole: Box, side: int) -> Iterator[Box]:
    """Yield the squares of an image, row by row; the last ones may be smaller."""
    for top in range(0, whole.bottom, side):
        for left in range(0, whole.right, side):
            yield Box(top, left, min(top + side, whole.bottom), min(left + side, whole.right))


def shrunk(source: Source, factor: int) -> Tensor:
    """Return an image made smaller by a whole factor, each pixel the mean of those that it stands for: (1, C, h, w).

    It is read strip by strip. Rows and columns beyond a multiple of the factor are left out.
    """
    whole = all_of(source)
    if factor == 1:
        return source.window(whole)
    rows = max(STRIP_PIXELS // (whole.width * factor), 1) * factor
    height = whole.height // factor * factor
    found = [
        torch.nn.functional.avg_pool2d(source.window(Box(top, 0, min(top + rows, height), whole.width)), factor)
        for top in range(0, height, rows)
    ]
    return torch.cat(found, 2)
