"""A score by class and its mean over classes: mFID and its like (TUNIT: Baek et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from instar.metrics.blocks import Samples
from instar.metrics.interval import Bounds, Members, score_interval

Labels = Sequence[int] | NDArray[np.integer[Any]]
Distance = Callable[[Samples, Samples], float]
"""Of features (N, D) and (M, D): `frechet_distance`, `kernel_distance`, or a function of your own."""


class ByClass(NamedTuple):
    """A score of each class, and their mean, in which every class counts the same."""

    mean: float
    each: dict[int, float]
    counts: dict[int, tuple[int, int]]
    """How many translations and real images a class has. Distances with a bias compare only at equal counts."""


def by_class(distance: Distance, x: Samples, of_x: Labels, y: Samples, of_y: Labels) -> ByClass:
    """Return the distance between the images of each class on both sides, and the mean over classes.

    Args:
        distance: of two sets of features.
        x: features (N, D) of translations.
        of_x: the class (N,) into which each was translated.
        y: features (M, D) of real images.
        of_y: the class (M,) of each.

    Raises:
        ValueError: there is not one class per image, or a class is on one side only.
    """
    groups = _groups(x, of_x, y, of_y)
    each = {label: distance(x[in_x], y[in_y]) for label, (in_x, in_y) in groups.items()}
    counts = {label: (len(in_x), len(in_y)) for label, (in_x, in_y) in groups.items()}
    return ByClass(float(np.mean(list(each.values()))), each, counts)


def by_class_interval(
    distance: Distance, x: Samples, of_x: Labels, y: Samples, of_y: Labels, draws: int = 50
) -> Bounds:
    """Return a 95 % interval of the mean of `by_class`; halves are drawn within each class, of at least four images."""
    groups = [place for both in _groups(x, of_x, y, of_y).values() for place in both]

    def score(*members: Members) -> float:
        drawn = [group[half] for group, half in zip(groups, members, strict=True)]
        pairs = zip(drawn[::2], drawn[1::2], strict=True)
        return float(np.mean([distance(x[in_x], y[in_y]) for in_x, in_y in pairs]))

    value = by_class(distance, x, of_x, y, of_y).mean
    return score_interval(score, [len(group) for group in groups], value, draws)


def _groups(x: Samples, of_x: Labels, y: Samples, of_y: Labels) -> dict[int, tuple[Members, Members]]:
    """Return for each class, in order, the places of its images on both sides."""
    of_x, of_y = np.asarray(of_x), np.asarray(of_y)
    if of_x.shape != (len(x),) or of_y.shape != (len(y),) or not len(x):
        shapes = f"{of_x.shape} for {len(x)} and {of_y.shape} for {len(y)} images"
        raise ValueError(f"a score by class needs the class of each image, got {shapes}")
    lonely = sorted({int(label) for label in np.setxor1d(of_x, of_y)})
    if lonely:
        raise ValueError(f"classes {', '.join(map(str, lonely))} have images on one side only")
    return {int(label): (np.flatnonzero(of_x == label), np.flatnonzero(of_y == label)) for label in np.unique(of_x)}
