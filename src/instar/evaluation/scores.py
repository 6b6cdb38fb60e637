"""The scores of a set of translations, the same ones for every method."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instar.core.errors import UserError
from instar.core.images import colour, comparable
from instar.evaluation.appearance import BETTER, Appearance
from instar.evaluation.between import BETWEEN, LUMINANCE
from instar.evaluation.pixels import rounded
from instar.evaluation.registered_scores import RegisteredScores
from instar.evaluation.score import Better, Score, mean_of
from instar.metrics import paired
from instar.metrics.content import looks_inverted, structure_distance
from instar.metrics.coverage import coverage, coverage_intervals
from instar.metrics.extractors import Extractor
from instar.metrics.frechet import frechet_distance, frechet_distance_interval
from instar.metrics.kid import kernel_distance, kernel_distance_interval

Features = NDArray[np.floating[Any]]
Batch = tuple[Tensor, Tensor, Tensor | None]
"""Inputs, translations, and for pairs the truths: (n, C, H, W) each, in [-1, 1]."""

PER_PAIR: Mapping[str, tuple[Callable[[Tensor, Tensor], Tensor], Better]] = {
    "L1": (paired.l1, "lower"),
    "RMSE": (paired.rmse, "lower"),
    "PSNR": (paired.psnr, "higher"),
    "SSIM": (paired.ssim, "higher"),
    "pixel accuracy": (paired.pixel_accuracy, "higher"),
}
"""Of a translation and its truth, one number per image."""

MOST_FOR_FD_BOUNDS = 1000
"""Images above which the Fréchet distance is printed without an interval."""

NEIGHBOURS = 5
"""k of precision, recall, density and coverage."""


class Measured(NamedTuple):
    """What a batch of translations says by itself.

    Attributes:
        features: (n, D), of the translations.
        numbers: (n,), by the names of the scores that are their means.
        images: the batch, where registered metrics look at it; translations are rounded to 8 bits.
    """

    features: Features
    numbers: Mapping[str, Tensor]
    images: Batch | None


@dataclass(frozen=True)
class Meter:
    """Measures translations batch by batch."""

    extractor: Extractor
    appearance: Appearance | None
    registered: bool
    """Whether there are registered metrics."""

    def __call__(self, x: Tensor, given: Tensor, truth: Tensor | None) -> Measured:
        """Measure a batch; translations are rounded to 8 bits first."""
        y = rounded(given)
        numbers = {name: measure(*comparable(x, y)) for name, measure in BETWEEN.items()}
        if self.appearance:
            numbers |= self.appearance.artefacts_in(x, y)
        if self.extractor.maps:
            apart = structure_distance(self.extractor.maps, colour(x), colour(y))
            numbers[f"{self.extractor.name} self-similarity distance"] = apart
        if truth is not None:
            numbers |= {name: score(*comparable(y, truth)) for name, (score, _) in PER_PAIR.items()}
        return Measured(self.extractor.features([colour(y)]), numbers, (x, y, truth) if self.registered else None)


@dataclass(frozen=True)
class Scorer:
    """The real images of the target domain as an extractor sees them, and what is measured against them."""

    extractor: Extractor
    real: Features
    """(M, D), of the real images."""
    reference: Callable[[], Tensor] | None = None
    """The real images themselves, for registered metrics (`instar.evaluation.registered_scores.reference_images`)."""
    appearance: Appearance | None = None
    """Where training images say how the target looks."""

    @classmethod
    def of(cls, extractor: Extractor, real: Iterable[Tensor]) -> Scorer:
        """Look at the real images, in batches (n, C, H, W) in [-1, 1]."""
        return cls(extractor, extractor.features(colour(batch) for batch in real))

    def scores(self, batches: Iterable[Batch]) -> tuple[list[Score], list[str]]:
        """Return all scores of translations, and what they give cause to say. They are rounded to 8 bits first."""
        return self.scores_of(itertools.starmap(self.meter, batches))

    def scores_of(self, measured: Iterable[Measured]) -> tuple[list[Score], list[str]]:
        """Return all scores of translations whose batches were measured, and what they give cause to say."""
        features, means, notes = self.summed(measured)
        return [*self.distances(features), *means], notes

    @property
    def meter(self) -> Meter:
        """What measures a batch."""
        return Meter(self.extractor, self.appearance, bool(RegisteredScores()))

    def summed(self, measured: Iterable[Measured]) -> tuple[Features, list[Score], list[str]]:
        """Return the features (N, D) of translations, their scores image by image, and what these give cause to say.

        The scores of registered metrics are among them.
        """
        seen: list[Features] = []
        numbers: dict[str, list[Tensor]] = {}
        registered = RegisteredScores(self.reference)
        for one in measured:
            seen.append(one.features)
            if one.images:
                x, y, truth = one.images
                registered.add(y, x, truth)
            for name, values in one.numbers.items():
                numbers.setdefault(name, []).append(values)
        whole = {name: torch.cat(values) for name, values in numbers.items()}
        better = {**BETTER, **{name: way for name, (_, way) in PER_PAIR.items()}}
        means = [mean_of(name, values, better.get(name, "")) for name, values in whole.items()]
        notes = []
        if len(whole[LUMINANCE]) >= 4 and looks_inverted(whole[LUMINANCE]):
            notes.append("light and dark are swapped between inputs and translations (luminance correlation below 0)")
        return np.concatenate(seen), [*means, *registered.scores()], notes

    def fd_bounds(self, seen: Features) -> tuple[float, float] | tuple[None, None]:
        """Return the interval of the Fréchet distance, unless it would take minutes (a matrix root for each draw)."""
        if min(len(seen), len(self.real)) < 4 or max(len(seen), len(self.real)) > MOST_FOR_FD_BOUNDS:
            return None, None
        return frechet_distance_interval(seen, self.real)

    def distances(self, seen: Features) -> list[Score]:
        """Return what features (N, D) of translations say: of each for itself, and of all against the real images."""
        return [*(self.appearance.scores(seen) if self.appearance else []), *self._between_sets(seen)]

    def _between_sets(self, seen: Features) -> list[Score]:
        fewest = min(len(seen), len(self.real))
        if fewest < 2:
            counts = f"{len(seen)} translation{'s' * (len(seen) != 1)} and {len(self.real)} real"
            raise UserError(f"distances between sets need two images or more of each that can be read, not {counts}")
        bounds = kernel_distance_interval(seen, self.real) if fewest >= 4 else (None, None)
        found = [
            Score(self.extractor.title("KID"), kernel_distance(seen, self.real), "lower", *bounds),
            Score(self.extractor.title("FD"), frechet_distance(seen, self.real), "lower", *self.fd_bounds(seen)),
        ]
        if fewest >= 2 * NEIGHBOURS + 2:
            values, intervals = coverage(seen, self.real), coverage_intervals(seen, self.real)
            found += [Score(name, value, "higher", *intervals[name]) for name, value in values._asdict().items()]
        return found
