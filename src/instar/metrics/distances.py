"""Distances between all pairs of features, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instar.metrics.blocks import Samples, block, mean, rows_of

_Matrix = NDArray[np.float64]
_NUMBERS = 2**24
"""Distances in a block: 134 MB."""


class DistanceRows(NamedTuple):
    """Distances of some samples to all of another set."""

    rows: slice
    """Their places."""
    squares: _Matrix
    """|x - y|² (n, M); within rounding of zero it is zero, so that equal images are equal."""


def square_distances(x: Samples, y: Samples) -> Iterator[DistanceRows]:
    """Yield |x - y|² of all pairs of x (N, D) and y (M, D), in consecutive blocks of rows."""
    middle = mean(y)  # far from the origin |x|² + |y|² - 2 xy would lose digits
    for rows in rows_of(x, max(1, _NUMBERS // len(y))):
        centred = block(x, rows) - middle
        parts = [_squares(centred, block(y, columns) - middle) for columns in rows_of(y)]
        yield DistanceRows(rows, parts[0] if len(parts) == 1 else np.concatenate(parts, 1))


def nearest_distances(x: Samples, y: Samples, *, others: bool = False) -> NDArray[np.float64]:
    """Return the distance (N,) of each of x (N, D) to the nearest of y (M, D).

    With `others` x and y are the same samples, and none is its own neighbour.
    """
    found = []
    for rows, squares in square_distances(x, y):
        if others:
            squares[np.arange(len(squares)), np.arange(len(x))[rows]] = np.inf
        found.append(np.sqrt(squares.min(1)))
    return np.concatenate(found)


def _squares(x: _Matrix, y: _Matrix) -> _Matrix:
    norms = np.square(x).sum(1)[:, None] + np.square(y).sum(1)
    squares: _Matrix = norms - 2 * x @ y.T
    squares[squares <= 1e-11 * norms] = 0
    return squares
