"""Do translations look real, and do they cover what is real: precision, recall, density, coverage.

Each set is replaced by balls around its samples that reach to the k-th nearest neighbour in the same set
(Kynkäänniemi et al. 2019, eqs. 1, 2; Naeem et al. 2020, section 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instar.metrics.blocks import Samples, check_samples
from instar.metrics.distances import square_distances
from instar.metrics.interval import Bounds, Members, half


class Coverage(NamedTuple):
    """Four numbers; 1 is best, except that density may exceed 1."""

    precision: float
    """Share of translations that are in the ball of any real image."""
    recall: float
    """Share of real images that are in the ball of any translation."""
    density: float
    """In how many balls of real images a translation is on average, divided by k."""
    coverage: float
    """Share of real images whose ball holds a translation."""


_MOST = Coverage(1, 1, np.inf, 1)


def coverage(x: Samples, y: Samples, k: int = 5) -> Coverage:
    """Return precision, recall, density and coverage of translations x (N, D) against real images y (M, D); N, M > k.

    Naeem et al. take k = 5 for all four; Kynkäänniemi et al. take k = 3 for the first two. All depend on N and M:
    compare only values of the same sample sizes. A ball contains its surface, as in Kynkäänniemi's eq. 1; the authors'
    code of density and coverage leaves it out, which matters only where two distances are exactly equal.

    Raises:
        ValueError: the features are not finite or of different lengths, or a side has no more than k images.
    """
    check_samples(x, y)
    _check(len(x), len(y), k)
    return Coverage(*_scores(x, y, [(np.arange(len(x)), np.arange(len(y)))], k)[0].tolist())


def coverage_intervals(x: Samples, y: Samples, k: int = 5, draws: int = 50, seed: int = 0) -> dict[str, Bounds]:
    """Return a 95 % interval over the choice of samples for each of the four numbers, by name; N, M >= 2 k + 2.

    By halves (`instar.metrics.interval`), cut off at 0 and, but for density, at 1.
    """
    check_samples(x, y)
    _check(len(x) // 2, len(y) // 2, k)
    random = np.random.default_rng(seed)
    every = np.arange(len(x)), np.arange(len(y))
    found = _scores(x, y, [every, *((half(len(x), random), half(len(y), random)) for _ in range(draws))], k)
    value, margin = found[0], 1.96 * found[1:].std(0, ddof=1)
    low, high = np.maximum(value - margin, 0), np.minimum(value + margin, _MOST)
    return dict(zip(Coverage._fields, zip(low.tolist(), high.tolist(), strict=True), strict=True))


def _scores(x: Samples, y: Samples, draws: Sequence[tuple[Members, Members]], k: int) -> NDArray[np.float64]:
    """Return the four numbers (draws, 4) of parts of both sets, given by the places of their members."""
    reach_x = _reaches(x, [in_x for in_x, _ in draws], k)
    reach_y = _reaches(y, [in_y for _, in_y in draws], k)
    counts = [_Counts(len(in_y)) for _, in_y in draws]
    for rows, squares in square_distances(x, y):
        for (in_x, in_y), far_x, far_y, count in zip(draws, reach_x, reach_y, counts, strict=True):
            here = (in_x >= rows.start) & (in_x < rows.stop)
            count.add(squares[np.ix_(in_x[here] - rows.start, in_y)], far_x[here], far_y)
    return np.array([count.scores(len(in_x), k) for count, (in_x, _) in zip(counts, draws, strict=True)])


class _Counts:
    """What has been counted of the pairs of translations and real images."""

    def __init__(self, real: int) -> None:
        self.near = 0
        self.balls = 0
        self.reached, self.held = np.zeros((2, real), np.bool_)

    def add(self, squares: NDArray[np.float64], reach_x: NDArray[np.float64], reach_y: NDArray[np.float64]) -> None:
        """Count n more translations: squared distances (n, M), and how far the balls of both reach: (n,), (M,)."""
        in_real = squares <= reach_y
        self.near += int(in_real.any(1).sum())
        self.balls += int(in_real.sum())
        self.held |= in_real.any(0)
        self.reached |= (squares <= reach_x[:, None]).any(0)

    def scores(self, translations: int, k: int) -> Coverage:
        """Return the four numbers."""
        return Coverage(
            precision=self.near / translations,
            recall=float(self.reached.mean()),
            density=self.balls / translations / k,
            coverage=float(self.held.mean()),
        )


def _reaches(x: Samples, members: Sequence[Members], k: int) -> list[NDArray[np.float64]]:
    """Return for each part of x the squared distances (n,) of its members to the k-th nearest other one."""
    found = [np.empty(len(places)) for places in members]
    for rows, squares in square_distances(x, x):
        for places, reach in zip(members, found, strict=True):
            here = (places >= rows.start) & (places < rows.stop)
            # Place 0 of a sorted row is the distance of a sample to itself.
            own = squares[np.ix_(places[here] - rows.start, places)]
            reach[here] = np.partition(own, k, axis=1)[:, k]
    return found


def _check(n: int, m: int, k: int) -> None:
    if k < 1 or min(n, m) <= k:
        raise ValueError(f"balls to the {k}-th neighbour need more than {k} images on each side, got {n} and {m}")
