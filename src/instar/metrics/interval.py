"""How far a score would move with other images: half-sampling, the one mechanism for all intervals.

Each draw scores a random half of the images, taken without replacement (the delete-half jackknife: Shao & Wu 1989;
Politis, Romano & Wolf 1999, ch. 2). A half taken from n samples varies, given them, as much as n samples vary
(1/m - 1/n = 1/n at m = n/2), so nothing is rescaled. The usual bootstrap draws the same image twice, which lifts
kernel distances and shrinks the balls of precision and recall to nothing; half-sampling does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instar.metrics.blocks import rows_of

Bounds = tuple[float, float]
"""(low, high) of a 95 % interval."""
Members = NDArray[np.intp]
"""Places (m,) of the samples that are in a half."""
_NUMBERS = 2**24
"""Members of halves that are multiplied at once: 134 MB."""


def halves(count: int, draws: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return (draws, count) of 0 and 1, each row with count // 2 ones at random places."""
    first = np.zeros((draws, count), np.uint8)
    first[:, : count // 2] = 1
    return random.permuted(first, axis=1)


def mean_interval(values: Sequence[float] | NDArray[np.floating[Any]], draws: int = 1000, seed: int = 0) -> Bounds:
    """Return a 95 % interval of the mean of scores (N,), one per image, N >= 4.

    The 2.5th to 97.5th percentile of the means of the halves.

    Raises:
        ValueError: there are fewer than four scores, or one is not finite (the PSNR of equal images is infinite).
    """
    values = np.asarray(values, dtype=np.float64)
    _check(values.shape)
    if not np.isfinite(values).all():
        raise ValueError("an interval needs finite scores; the PSNR of equal images is infinite")
    members = halves(len(values), draws, np.random.default_rng(seed))
    some = rows_of(members, max(1, _NUMBERS // len(values)))
    sums = np.concatenate([members[part].astype(np.float64) @ values for part in some])
    low, high = np.percentile(sums / (len(values) // 2), (2.5, 97.5))
    return float(low), float(high)


def score_interval(
    score: Callable[..., float], counts: Sequence[int], value: float, draws: int = 50, seed: int = 0
) -> Bounds:
    """Return the 95 % interval `value` ± 1.96 `spread`.

    A score that depends on the sample sizes, as the Fréchet distance does, is shifted on halves; only their spread is
    used, so the shift does no harm. The normal form needs few draws: 50 give the spread to 10 %.

    Args:
        score: takes one array of places (m,) for each of `counts` and returns a finite number.
        counts: how many samples there are in each group that is drawn by itself, each at least 4.
        value: the score on all samples, in the middle of the interval.
        draws: how many halves are scored.
        seed: of the choice of halves.

    Raises:
        ValueError: a group has fewer than four samples.
    """
    margin = 1.96 * float(spread(score, counts, draws, seed))
    return value - margin, value + margin


def spread(score: Callable[..., Any], counts: Sequence[int], draws: int = 50, seed: int = 0) -> NDArray[np.float64]:
    """Return the standard deviation of `score` over halves of the samples: () or, for several scores at once, (K,).

    Arguments and errors are those of `score_interval`; `score` may return a sequence of K numbers.
    """
    _check(counts)
    random = np.random.default_rng(seed)
    scores = [score(*(half(count, random) for count in counts)) for _ in range(draws)]
    found: NDArray[np.float64] = np.std(np.asarray(scores, dtype=np.float64), axis=0, ddof=1)
    return found


def half(count: int, random: np.random.Generator) -> Members:
    """Return the places (count // 2,) of a random half, in order."""
    return np.sort(random.permutation(count)[: count // 2])


def _check(counts: Sequence[int]) -> None:
    if min(counts, default=0) < 4:
        sizes = " and ".join(str(count) for count in counts)
        raise ValueError(f"an interval needs at least four images on each side, got {sizes}")
