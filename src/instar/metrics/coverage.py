"""Do translations look real, and do they cover what is real: precision, recall, density, coverage.

Each set is replaced by balls around its samples that reach to the k-th nearest neighbour in the same set
(Kynkäänniemi et al. 2019, eqs. 1, 2; Naeem et al. 2020, section 3).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instar.metrics.distances import square_distances
from instar.metrics.frechet import Samples, check_samples
from instar.metrics.interval import Bounds, Members, spread

_Matrix = NDArray[np.float64]


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
    Memory: about 16 (N + M)² bytes.

    Raises:
        ValueError: the features are not finite or of different lengths, or a side has no more than k images.
    """
    x, y = check_samples(x, y)
    _check(len(x), len(y), k)
    return _scores(square_distances(x, x), square_distances(y, y), square_distances(x, y), k)


def coverage_intervals(x: Samples, y: Samples, k: int = 5, draws: int = 50, seed: int = 0) -> dict[str, Bounds]:
    """Return a 95 % interval over the choice of samples for each of the four numbers, by name; N, M >= 2 k + 2.

    By halves (`instar.metrics.interval`), cut off at 0 and, but for density, at 1.
    """
    x, y = check_samples(x, y)
    _check(len(x) // 2, len(y) // 2, k)
    xx, yy, xy = square_distances(x, x), square_distances(y, y), square_distances(x, y)

    def score(in_x: Members, in_y: Members) -> Coverage:
        return _scores(xx[np.ix_(in_x, in_x)], yy[np.ix_(in_y, in_y)], xy[np.ix_(in_x, in_y)], k)

    value, margin = np.array(_scores(xx, yy, xy, k)), 1.96 * spread(score, xy.shape, draws, seed)
    low, high = np.maximum(value - margin, 0), np.minimum(value + margin, _MOST)
    return dict(zip(Coverage._fields, zip(low.tolist(), high.tolist(), strict=True), strict=True))


def _scores(xx: _Matrix, yy: _Matrix, xy: _Matrix, k: int) -> Coverage:
    """Return the four numbers from the squared distances within x, within y, and between them (N, M)."""
    # Place 0 of a sorted row is the distance of a sample to itself.
    reach_x = np.partition(xx, k, axis=1)[:, k]
    reach_y = np.partition(yy, k, axis=1)[:, k]
    in_real = xy <= reach_y
    in_fake = xy <= reach_x[:, None]
    return Coverage(
        precision=float(in_real.any(1).mean()),
        recall=float(in_fake.any(0).mean()),
        density=float(in_real.sum(1).mean() / k),
        coverage=float(in_real.any(0).mean()),
    )


def _check(n: int, m: int, k: int) -> None:
    if k < 1 or min(n, m) <= k:
        raise ValueError(f"balls to the {k}-th neighbour need more than {k} images on each side, got {n} and {m}")
