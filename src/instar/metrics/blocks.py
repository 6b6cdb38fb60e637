"""Sets of features in blocks of rows, so that scores of many images need the memory of few.

Sets of up to `ROWS` images are one block: their scores are those of the whole set at once, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.floating[Any]]
"""Features (N, D) as a network gave them, float32 as a rule."""

ROWS = 4096
"""A block of all pairs of so many with so many takes 134 MB in float64."""


def check_samples(x: Samples, y: Samples) -> None:
    """Raise ValueError unless both sets are finite, (N, D) and (M, D), N, M >= 2."""
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"features must be (N, D) and (M, D), got {x.shape} and {y.shape}")
    if len(x) < 2 or len(y) < 2:
        raise ValueError(f"a distance needs at least two images on each side, got {len(x)} and {len(y)}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("some features are not finite; look for NaN in the images")


def rows_of(x: NDArray[Any], rows: int | None = None) -> Iterator[slice]:
    """Yield the places of consecutive blocks of at most `rows` (`ROWS`) rows of x (N, ...)."""
    step = rows or ROWS
    for start in range(0, len(x), step):
        yield slice(start, min(start + step, len(x)))


def block(x: Samples, rows: slice) -> NDArray[np.float64]:
    """Return rows of x (N, D) as float64 (n, D)."""
    return x[rows].astype(np.float64)


def mean(x: Samples) -> NDArray[np.float64]:
    """Return the mean (D,) of x (N, D) in float64."""
    found: NDArray[np.float64] = x.mean(0, dtype=np.float64)
    return found
