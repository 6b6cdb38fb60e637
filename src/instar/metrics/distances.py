"""Distances between all pairs of features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_Matrix = NDArray[np.float64]


def square_distances(x: _Matrix, y: _Matrix) -> _Matrix:
    """Return |x - y|² of all pairs, (N, M) of x (N, D) and y (M, D).

    Those within rounding of zero are zero, so that equal images are equal.
    """
    middle = y.mean(0)  # far from the origin |x|² + |y|² - 2 xy would lose digits
    x, y = x - middle, y - middle
    norms = np.square(x).sum(1)[:, None] + np.square(y).sum(1)
    squares: _Matrix = norms - 2 * x @ y.T
    squares[squares <= 1e-11 * norms] = 0
    return squares
