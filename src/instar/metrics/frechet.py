"""The Fréchet distance between two sets of features (Heusel et al. 2017, eq. 6)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from instar.metrics.interval import Bounds, Members, score_interval

Samples = NDArray[np.floating[Any]]


def frechet_distance(x: Samples, y: Samples) -> float:
    """Return |μx - μy|² + tr(Sx + Sy - 2 (Sx Sy)^½) for features x (N, D) and y (M, D), N, M >= 2.

    The covariances are the unbiased ones (divided by N - 1), the arithmetic is float64. With Sx = X'X and Sy = Y'Y
    the eigenvalues of Sx Sy are the squared singular values of X Y', so the trace of the root is their sum: exact,
    never complex, and with fewer samples than dimensions a small matrix, where a matrix root would be singular.

    The distance itself is biased: it falls with N and M, so compare only values of the same sample sizes.
    """
    x, y = check_samples(x, y)
    mean = x.mean(0) - y.mean(0)
    root_x, root_y = _covariance_root(x), _covariance_root(y)
    trace = np.linalg.svd(root_x @ root_y.T, compute_uv=False).sum()
    distance = mean @ mean + np.square(root_x).sum() + np.square(root_y).sum() - 2 * trace
    return max(float(distance), 0.0)  # rounding may leave -1e-12 for equal sets


def frechet_distance_interval(x: Samples, y: Samples, draws: int = 50, seed: int = 0) -> Bounds:
    """Return (low, high), a 95 % interval of `frechet_distance` over the choice of the samples, N, M >= 4.

    It says how far the number moves with other images in the same numbers. The bias that comes with few images is in
    the number itself and not in the interval. Takes `draws` times half as long as the distance.
    """
    x, y = check_samples(x, y)

    def score(in_x: Members, in_y: Members) -> float:
        return frechet_distance(x[in_x], y[in_y])

    low, high = score_interval(score, (len(x), len(y)), frechet_distance(x, y), draws, seed)
    return max(low, 0.0), high


def check_samples(x: Samples, y: Samples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both sets as float64; raise ValueError unless they are finite, (N, D) and (M, D), N, M >= 2."""
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"features must be (N, D) and (M, D), got {x.shape} and {y.shape}")
    if len(x) < 2 or len(y) < 2:
        raise ValueError(f"a distance needs at least two images on each side, got {len(x)} and {len(y)}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("some features are not finite; look for NaN in the images")
    return x.astype(np.float64), y.astype(np.float64)


def _covariance_root(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return R (min(N, D), D) with R'R the unbiased covariance of x (N, D)."""
    root: NDArray[np.float64] = (x - x.mean(0)) / np.sqrt(len(x) - 1)
    if len(x) > x.shape[1]:
        root = np.linalg.qr(root)[1]  # the same R'R from D rows instead of N
    return root
