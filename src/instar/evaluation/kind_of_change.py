"""What kind of change lies between two sets of images, measured without a network.

Three linear probes say by what single images of the two domains can be told apart: colours wherever they are, textures
wherever they are, and what is where. A map of the places says how widely the domains differ on average. The limits
below were set on sets whose kind is known (docs/advice.md has the table): they separate these, and prove nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from instar.core.seed import mix

Kind = Literal["colour", "texture", "object added", "local shape", "whole shape"]
KINDS: tuple[Kind, ...] = ("colour", "texture", "object added", "local shape", "whole shape")
Floats = NDArray[np.float64]

SIDE = 64
"""Of the images that are looked at, in pixels."""
FEWEST = 20
"""Images of a domain below which nothing is said."""
UNSURE = 0.65
"""Of the best probe: below it the domains can hardly be told apart so."""

_FOLDS, _RIDGE, _PLACES, _BINS = 5, 1.0, 8, 6
_DIFFERS, _CHANCE = 0.35, 4.0
"""Difference of two means, in standard deviations, from which domains differ at a place; and how many variances of the
means are added to its square, as with few images chance alone makes large ones."""
_ALL_COLOUR, _ALL_TEXTURE, _FINE = 0.97, 0.88, 1.3
"""Probe of colours and of textures from which these alone tell the domains apart; middle textures by coarse ones."""
_WIDE, _NARROW = 0.5, 0.15
"""Share of the places that differ, from which all does, and up to which little does."""
_COLOURED, _TEXTURED = 0.75, 0.70
"""Probes of colours, and of textures, from which something of another colour, or another outline, is there."""
_EVEN, _PEAKED = 2.2, 6.0
"""Difference at the four places where it is largest by the median place: below the first all differs alike."""
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class KindOfChange:
    """What was found between domain A and domain B.

    Attributes:
        kind: the likeliest kind of change.
        colours: share of single images whose domain their colours tell, 0.5 is chance.
        textures: the same of textures.
        places: the same of what is where.
        spread: share of the 8 x 8 places at which the domains differ on average.
        peak: how much more they differ at the four places where they do most than at the median place.
    """

    kind: Kind
    colours: float
    textures: float
    places: float
    spread: float
    peak: float

    @property
    def sure(self) -> bool:
        """Whether the domains can be told apart by any of the three."""
        return max(self.colours, self.textures, self.places) >= UNSURE


def kind_of_change(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> KindOfChange:
    """Compare two sets of images. Always the same for the same images.

    Args:
        a: images (N, 64, 64, 3) of the source, N >= 20.
        b: images (M, 64, 64, 3) of the target, M >= 20.

    Raises:
        ValueError: there are fewer, or they are of another shape.
    """
    if a.shape[1:] != (SIDE, SIDE, 3) or b.shape[1:] != a.shape[1:] or min(len(a), len(b)) < FEWEST:
        raise ValueError(f"needs {FEWEST} images ({SIDE}, {SIDE}, 3) of each domain or more, got {a.shape}, {b.shape}")
    x, y = a / 255.0, b / 255.0
    colours, textures = _told_apart(_colours(x), _colours(y)), _told_apart(_textures(x), _textures(y))
    at_x, at_y = _at_places(x), _at_places(y)
    places = _told_apart(at_x.reshape(len(x), -1), at_y.reshape(len(y), -1))
    apart = _apart(at_x, at_y).max(-1).ravel()
    least = (_DIFFERS**2 + _CHANCE * (1 / len(a) + 1 / len(b))) ** 0.5
    spread, peak = float((apart > least).mean()), float(np.sort(apart)[-4:].mean() / max(np.median(apart), 1e-6))
    fine = _apart(_textures(x), _textures(y))
    finer = float(fine[4:8].max() / max(fine[8:12].max(), 1e-6))
    return KindOfChange(_named(colours, textures, spread, peak, finer), colours, textures, places, spread, peak)


def _named(colours: float, textures: float, spread: float, peak: float, finer: float) -> Kind:
    if textures >= _ALL_TEXTURE and finer >= _FINE:
        return "texture"
    everywhere = spread >= _WIDE
    if colours >= _ALL_COLOUR or (everywhere and colours >= _COLOURED and textures < UNSURE):
        return "colour"
    if everywhere:
        return "whole shape"
    if colours >= _COLOURED and (colours > textures or peak >= _PEAKED):
        return "object added"
    if (textures >= _TEXTURED and spread >= _NARROW and peak < _PEAKED) or peak < _EVEN:
        return "whole shape"
    return "local shape"


def _told_apart(a: Floats, b: Floats) -> float:
    """Return the share of samples (N, D), (M, D) that a ridge regression on the others puts right, domains alike."""
    x, y = np.concatenate([a, b]), np.concatenate([-np.ones(len(a)), np.ones(len(b))])
    counts = np.where(y < 0, 0.5 / len(a), 0.5 / len(b))
    order, right = np.random.default_rng(mix(len(a), len(b))).permutation(len(y)), 0.0
    for fold in range(_FOLDS):
        held = np.zeros(len(y), bool)
        held[order[fold::_FOLDS]] = True
        middle, scale = x[~held].mean(0), x[~held].std(0) + 1e-6
        known, asked = (x[~held] - middle) / scale, (x[held] - middle) / scale
        mean = y[~held].mean()
        weights = np.linalg.solve(known @ known.T + _RIDGE * x.shape[1] * np.eye(len(known)), y[~held] - mean)
        said = asked @ (known.T @ weights) + mean
        right += float((counts[held] * ((said > 0) == (y[held] > 0))).sum())
    return right


def _apart(a: Floats, b: Floats) -> Floats:
    """Return the difference of means in standard deviations, of each number of (N, ...) and (M, ...)."""
    spread: Floats = np.sqrt((a.var(0) + b.var(0)) / 2) + 1e-3
    apart: Floats = np.abs(a.mean(0) - b.mean(0)) / spread
    return apart


def _colours(x: Floats) -> Floats:
    """Return the square roots of the shares of 216 colours (N, 216), wherever they are."""
    places = (x.clip(0, 0.999) * _BINS).astype(int)
    codes = (places[..., 0] * _BINS + places[..., 1]) * _BINS + places[..., 2]
    shares = [np.bincount(code.ravel(), minlength=_BINS**3) / SIDE**2 for code in codes]
    return np.sqrt(np.stack(shares))


def _textures(x: Floats) -> Floats:
    """Return how strong details of three sizes are (N, 15), wherever they are, and which way edges run."""
    gray = x @ np.array(_LUMA)
    smooth = [gray, *(_smoothed(gray, size) for size in (2, 4, 8))]
    found = []
    for finer, coarser in pairwise(smooth):
        strength = np.sqrt(_cells((finer - coarser) ** 2)).reshape(len(x), -1)
        found += list(np.quantile(strength, (0.25, 0.5, 0.75, 0.95), axis=1))
    across, along = (np.abs(np.diff(gray, axis=axis)).mean((1, 2)) for axis in (2, 1))
    return np.stack([*found, across, along, np.log((across + 1e-3) / (along + 1e-3))], axis=1)


def _at_places(x: Floats) -> Floats:
    """Return brightness, two colours and two strengths of edges at each place (N, 8, 8, 5)."""
    gray = x @ np.array(_LUMA)
    red, yellow = x[..., 0] - x[..., 1], (x[..., 0] + x[..., 1]) / 2 - x[..., 2]
    edges = [np.abs(np.gradient(gray, axis=axis)) for axis in (1, 2)]
    return np.stack([_cells(plane) for plane in (gray, red, yellow, *edges)], axis=-1)


def _cells(planes: Floats) -> Floats:
    """Return the means (N, 8, 8) of planes (N, 64, 64)."""
    step = SIDE // _PLACES
    cells: Floats = planes.reshape(len(planes), _PLACES, step, _PLACES, step).mean((2, 4))
    return cells


def _smoothed(planes: Floats, size: int) -> Floats:
    """Return planes (N, 64, 64) whose squares of `size` pixels are flat."""
    count = SIDE // size
    means = planes.reshape(len(planes), count, size, count, size).mean((2, 4))
    smoothed: Floats = means.repeat(size, 1).repeat(size, 2)
    return smoothed
