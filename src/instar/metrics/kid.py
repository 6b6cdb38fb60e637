"""The kernel distance (KID) between two sets of features (Bińkowski et al. 2018)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .frechet import Samples, check_samples


def kernel_distance(x: Samples, y: Samples) -> float:
    """Return the unbiased MMD² with the kernel (x·y / D + 1)³ between x (N, D) and y (M, D), on all samples.

    mean k(x, x') + mean k(y, y') - 2 mean k(x, y), the first two over pairs of different samples. Its expectation is
    zero for equal distributions at any N, M >= 2, so it may be slightly negative. Memory: 8 max(N, M)² bytes.
    """
    x, y = check_samples(x, y)
    every = np.ones((1, len(x))), np.ones((1, len(y)))
    return float(_distances(x, y, *every)[0])


def kernel_distance_interval(x: Samples, y: Samples, draws: int = 1000, seed: int = 0) -> tuple[float, float]:
    """Return (low, high), a 95 % interval of `kernel_distance` over the choice of the samples, N, M >= 4.

    Half-sampling (the delete-half jackknife: Shao & Wu 1989; Politis, Romano & Wolf 1999, ch. 2): each draw scores a
    random half of x against a random half of y, taken without replacement, and the interval is the 2.5th to 97.5th
    percentile. A half taken from n samples varies, given them, as much as n samples vary (1/m - 1/n = 1/n at
    m = n/2), so nothing is rescaled. The usual bootstrap is not used: it draws the same image twice, whose k(x, x)
    lifts the distance. At 100 samples of normal values it covers the true distance in 90 to 94 of 100 trials. Between
    equal distributions, where the first-order term vanishes, the interval is too wide.
    """
    x, y = check_samples(x, y)
    if min(len(x), len(y)) < 4:
        raise ValueError(f"an interval needs at least four images on each side, got {len(x)} and {len(y)}")
    random = np.random.default_rng(seed)
    scores = _distances(x, y, _halves(len(x), draws, random), _halves(len(y), draws, random))
    low, high = np.percentile(scores, (2.5, 97.5))
    return float(low), float(high)


def _halves(count: int, draws: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Return (draws, count) of 0 and 1, each row with count // 2 ones at random places."""
    first = np.zeros((draws, count))
    first[:, : count // 2] = 1
    return random.permuted(first, axis=1)


def _distances(
    x: NDArray[np.float64], y: NDArray[np.float64], in_x: NDArray[np.float64], in_y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the MMD² (draws,) of the subsets whose members are marked 1 in in_x (draws, N) and in_y (draws, M)."""
    n, m = in_x.sum(1), in_y.sum(1)
    within_x = _pair_sums(x, x, in_x, in_x) - in_x @ _kernel_of_self(x)
    within_y = _pair_sums(y, y, in_y, in_y) - in_y @ _kernel_of_self(y)
    between = _pair_sums(x, y, in_x, in_y)
    distances: NDArray[np.float64] = within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * between / (n * m)
    return distances


def _pair_sums(
    x: NDArray[np.float64], y: NDArray[np.float64], in_x: NDArray[np.float64], in_y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return Σ k(x, y) over the pairs of marked members, one per draw: (draws,)."""
    kernel = (x @ y.T / x.shape[1] + 1) ** 3
    sums: NDArray[np.float64] = ((in_x @ kernel) * in_y).sum(1)
    return sums


def _kernel_of_self(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return k(x, x) of each sample: (N,)."""
    diagonal: NDArray[np.float64] = (np.square(x).sum(1) / x.shape[1] + 1) ** 3
    return diagonal
