"""The scores of a set of translations, the same ones for every method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instar.metrics import paired
from instar.metrics.content import looks_inverted, luminance_correlation, structure_distance
from instar.metrics.coverage import coverage, coverage_intervals
from instar.metrics.extractors import Extractor
from instar.metrics.frechet import frechet_distance, frechet_distance_interval
from instar.metrics.interval import mean_interval
from instar.metrics.kid import kernel_distance, kernel_distance_interval

Features = NDArray[np.floating[Any]]
Better = Literal["lower", "higher", ""]
ARROWS: Mapping[Better, str] = {"lower": "↓", "higher": "↑", "": ""}
"""Beside the name of a score."""

Row = tuple[Tensor, Tensor, Tensor | None]
"""Inputs, translations, and for pairs the truths: (n, C, H, W) each, in [-1, 1]."""

PER_PAIR: Mapping[str, tuple[Callable[[Tensor, Tensor], Tensor], Better]] = {
    "L1": (paired.l1, "lower"),
    "RMSE": (paired.rmse, "lower"),
    "PSNR": (paired.psnr, "higher"),
    "SSIM": (paired.ssim, "higher"),
    "pixel accuracy": (paired.pixel_accuracy, "higher"),
}
"""Of a translation and its truth, one number per image."""

CHANGE, LUMINANCE = "change (L1)", "luminance correlation"
"""Between input and translation: neither is good or bad in itself."""

MOST_FOR_FD_BOUNDS = 1000
"""Images above which the Fréchet distance is printed without an interval."""

NEIGHBOURS = 5
"""k of precision, recall, density and coverage."""


@dataclass(frozen=True)
class Score:
    """One number and what it means."""

    name: str
    value: float
    better: Better = ""
    """Which way is good; nothing where neither is."""
    low: float | None = None
    """Lower end of the 95 % interval over the choice of the test images, where there is one."""
    high: float | None = None


@dataclass(frozen=True)
class Judge:
    """The real images of the target domain as an extractor sees them, and what is measured against them."""

    extractor: Extractor
    real: Features

    @classmethod
    def of(cls, extractor: Extractor, real: Iterable[Tensor]) -> Judge:
        """Look at the real images, in batches (n, C, H, W) in [-1, 1]."""
        return cls(extractor, extractor.features(colour(batch) for batch in real))

    def scores(self, rows: Iterable[Row]) -> tuple[list[Score], list[str]]:
        """Return all scores of translations, and what they give cause to say. They are rounded to 8 bits first."""
        features, means, notes = self.look(rows)
        return [*self.distances(features), *means], notes

    def look(self, rows: Iterable[Row]) -> tuple[Features, list[Score], list[str]]:
        """Return the features (N, D) of translations, their scores one by one, and what these give cause to say."""
        seen: list[Features] = []
        numbers: dict[str, list[Tensor]] = {}
        for x, given, truth in rows:
            y = rounded(given)
            seen.append(self.extractor.features([colour(y)]))
            numbers.setdefault(CHANGE, []).append(paired.l1(y, x))
            numbers.setdefault(LUMINANCE, []).append(luminance_correlation(x, y))
            if self.extractor.maps:
                apart = structure_distance(self.extractor.maps, colour(x), colour(y))
                numbers.setdefault(f"{self.extractor.name} self-similarity distance", []).append(apart)
            for name, (score, _) in PER_PAIR.items() if truth is not None else ():
                assert truth is not None
                numbers.setdefault(name, []).append(score(y, truth))
        whole = {name: torch.cat(values) for name, values in numbers.items()}
        means = [mean_of(name, values, PER_PAIR[name][1] if name in PER_PAIR else "") for name, values in whole.items()]
        notes = []
        if len(whole[LUMINANCE]) >= 4 and looks_inverted(whole[LUMINANCE]):
            notes.append("light and dark are swapped between inputs and translations (luminance correlation below 0)")
        return np.concatenate(seen), means, notes

    def fd_bounds(self, seen: Features) -> tuple[float, float] | tuple[None, None]:
        """Return the interval of the Fréchet distance, unless it would take minutes (a matrix root for each draw)."""
        if min(len(seen), len(self.real)) < 4 or max(len(seen), len(self.real)) > MOST_FOR_FD_BOUNDS:
            return None, None
        return frechet_distance_interval(seen, self.real)

    def distances(self, seen: Features) -> list[Score]:
        """Return how far features (N, D) of translations are from those of the real images, and how these overlap."""
        fewest = min(len(seen), len(self.real))
        bounds = kernel_distance_interval(seen, self.real) if fewest >= 4 else (None, None)
        found = [
            Score(self.extractor.title("KID"), kernel_distance(seen, self.real), "lower", *bounds),
            Score(self.extractor.title("FD"), frechet_distance(seen, self.real), "lower", *self.fd_bounds(seen)),
        ]
        if fewest >= 2 * NEIGHBOURS + 2:
            values, intervals = coverage(seen, self.real), coverage_intervals(seen, self.real)
            found += [Score(name, value, "higher", *intervals[name]) for name, value in values._asdict().items()]
        return found


def mean_of(name: str, values: Tensor, better: Better) -> Score:
    """Return the mean of one number per image (N,), with its interval where there are enough and all are finite."""
    if len(values) < 4 or not values.isfinite().all():
        return Score(name, values.double().mean().item(), better)
    return Score(name, values.double().mean().item(), better, *mean_interval(values.double().numpy()))


def rounded(images: Tensor) -> Tensor:
    """Return images in [-1, 1] as their files of 8 bits would hold them."""
    return images.clamp(-1, 1).add(1).mul(127.5).round().div(127.5).sub(1)


def colour(images: Tensor) -> Tensor:
    """Return images (N, C, H, W) with three channels, as extractors take them."""
    return images if images.shape[1] == 3 else images.expand(-1, 3, -1, -1)
