"""The Fréchet distance between two sets of features (Heusel et al. 2017, eq. 6)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from instar.metrics import blocks
from instar.metrics.blocks import Samples, block, check_samples, mean, rows_of
from instar.metrics.interval import Bounds, Members, score_interval


def frechet_distance(x: Samples, y: Samples) -> float:
    """Return |μx - μy|² + tr(Sx + Sy - 2 (Sx Sy)^½) for features x (N, D) and y (M, D), N, M >= 2.

    The covariances are the unbiased ones (divided by N - 1), the arithmetic is float64. With Sx = X'X and Sy = Y'Y
    the eigenvalues of Sx Sy are the squared singular values of X Y', so the trace of the root is their sum: exact,
    never complex, and with fewer samples than dimensions a small matrix, where a matrix root would be singular.

    The distance itself is biased: it falls with N and M, so compare only values of the same sample sizes.
    """
    check_samples(x, y)
    apart = mean(x) - mean(y)
    root_x, root_y = _covariance_root(x), _covariance_root(y)
    trace = np.linalg.svd(root_x @ root_y.T, compute_uv=False).sum()
    distance = apart @ apart + np.square(root_x).sum() + np.square(root_y).sum() - 2 * trace
    return max(float(distance), 0.0)  # rounding may leave -1e-12 for equal sets


def frechet_distance_interval(x: Samples, y: Samples, draws: int = 50, seed: int = 0) -> Bounds:
    """Return (low, high), a 95 % interval of `frechet_distance` over the choice of the samples, N, M >= 4.

    It says how far the number moves with other images in the same numbers. The bias that comes with few images is in
    the number itself and not in the interval. Takes `draws` times half as long as the distance.
    """
    check_samples(x, y)

    def score(in_x: Members, in_y: Members) -> float:
        return frechet_distance(x[in_x], y[in_y])

    low, high = score_interval(score, (len(x), len(y)), frechet_distance(x, y), draws, seed)
    return max(low, 0.0), high


def _covariance_root(x: Samples) -> NDArray[np.float64]:
    """Return R (min(N, D), D) with R'R the unbiased covariance of x (N, D)."""
    middle, scale = mean(x), np.sqrt(len(x) - 1)
    if len(x) <= x.shape[1]:
        few: NDArray[np.float64] = (x.astype(np.float64) - middle) / scale
        return few
    root: NDArray[np.float64] = np.empty((0, x.shape[1]))
    for rows in rows_of(x, max(blocks.ROWS, x.shape[1])):  # the same R'R from D rows instead of N
        root = np.linalg.qr(np.concatenate([root, (block(x, rows) - middle) / scale]))[1]
    return root
