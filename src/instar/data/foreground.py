"""Where an image shows something: blocks whose brightness varies more than that of its background."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

BLOCK = 16
"""Side of a block in pixels."""
TRIES = 8
"""Places of a crop among which one is looked for."""
APART = 4.0
"""Times that blocks of the foreground vary more than those of the background: with less there is no background."""
_ROWS = 256
_BINS = 256


class Pixels(Protocol):
    """Pixels (H, W, C) of which parts can be had: an array, or an image in a file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C)."""

    def __getitem__(self, where: tuple[slice, slice]) -> NDArray[Any]:
        """Return rows and columns."""


class Foreground:
    """Which part of an image is foreground.

    The deviation of brightness in each block is told apart into low and high by Otsu's method (1979), on logarithms.
    """

    def __init__(self, image: Pixels) -> None:
        """Look at all of an image, strip by strip."""
        height, width = image.shape[:2]
        self.size = height, width
        tops = range(0, max(height // BLOCK, 1) * BLOCK, _ROWS)
        strips = (image[top : min(top + _ROWS, height), :] for top in tops)
        self.mask = _mask(np.concatenate([_deviations(strip) for strip in strips]))
        self._sums = np.pad(self.mask.cumsum(0).cumsum(1), ((1, 0), (1, 0)))

    def share(self, top: int, left: int, side: int) -> float:
        """Return the share of the blocks of a crop that are foreground."""
        rows, columns = self.mask.shape
        first, low = min(top // BLOCK, rows - 1), min(left // BLOCK, columns - 1)
        last, high = min(-(-(top + side) // BLOCK), rows), min(-(-(left + side) // BLOCK), columns)
        sums = self._sums
        found = sums[last, high] - sums[first, high] - sums[last, low] + sums[first, low]
        share: float = found / ((last - first) * (high - low))
        return share


def _deviations(strip: NDArray[Any]) -> NDArray[np.float64]:
    """Return the deviation of brightness in each block (h, w); what is left over at the borders is left out."""
    gray = np.nan_to_num(strip.astype(np.float64)).mean(2)
    high, wide = (min(BLOCK, side) for side in gray.shape)
    rows, columns = gray.shape[0] // high, gray.shape[1] // wide
    blocks = gray[: rows * high, : columns * wide].reshape(rows, high, columns, wide)
    found: NDArray[np.float64] = blocks.std((1, 3))
    return found


def _mask(deviations: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which deviations are high; all, if they do not fall apart."""
    top = deviations.max()
    if top == 0:
        return np.ones(deviations.shape, bool)
    values = np.log(deviations + top * 1e-3)
    threshold = _otsu(values)
    found: NDArray[np.bool_] = values > threshold
    if values[found].mean() - values[~found].mean() < np.log(APART):
        return np.ones(deviations.shape, bool)
    return found


def _otsu(values: NDArray[np.float64]) -> float:
    """Return the threshold between two classes whose means lie furthest apart, weighted by their sizes."""
    counts, edges = np.histogram(values, _BINS)
    centres = (edges[:-1] + edges[1:]) / 2
    below, sums = counts.cumsum()[:-1], (counts * centres).cumsum()[:-1]
    above = counts.sum() - below
    mean_above = ((counts * centres).sum() - sums) / np.maximum(above, 1)
    between = below * above * (sums / np.maximum(below, 1) - mean_above) ** 2
    return float(edges[1 + int(between.argmax())])


class Foregrounds:
    """The foregrounds of a domain's images, each looked at when it is first asked for. Threads may share it."""

    def __init__(self, most: int = 4096) -> None:
        """Keep those of at most so many images."""
        self._found = lru_cache(most)(self._look)

    def of(self, images: Any, number: int) -> Foreground:
        """Return that of an image by its number."""
        return self._found(images, number)

    @staticmethod
    def _look(images: Any, number: int) -> Foreground:
        return Foreground(images[number])
