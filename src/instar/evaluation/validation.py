"""Scores of a run while it trains, on images that are neither trained on nor tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from instar.core.batch import Domain
from instar.core.errors import UserError, setting
from instar.core.evenly import evenly
from instar.core.formats import DomainFormat
from instar.core.images import colour
from instar.core.method import Method
from instar.data import ImageRef
from instar.evaluation.appearance import LEAST as ENOUGH
from instar.evaluation.appearance import TARGET, TRAINING, target_scores
from instar.evaluation.between import BETWEEN
from instar.evaluation.held_out import squares
from instar.evaluation.references import real_features
from instar.evaluation.score import by_name
from instar.evaluation.verdict import verdict
from instar.evaluation.watching import translated
from instar.metrics.blocks import Samples
from instar.metrics.extractors import Extractor, load_extractor
from instar.metrics.kid import kernel_distance
from instar.metrics.target import TargetDetector

Images = Mapping[Domain, Sequence[ImageRef]]
"""By domain."""
LEAST = 8
"""Images per domain below which such a score is noise alone."""


def extractor_of(text: str) -> Extractor:
    """Return the extractor that `train.score_with` names: NAME, or NAME=FILE with its weights."""
    name, _, file = text.partition("=")
    try:
        return load_extractor(name, Path(file) if file else None)
    except UserError as error:
        raise UserError(f"{setting('train.score_with', text)}: {error.message.raw}") from error


class ValidationScores:
    """Scores a method in eval mode on the validation images: kernel distances, and shares that show the target.

    Attributes:
        verdicts: what the translations were at the last call, in words, by the domain that they were translated into.
    """

    def __init__(
        self,
        extractor: Extractor,
        images: Images,
        formats: Mapping[Domain, DomainFormat],
        size: int,
        seed: int,
        training: Images | None = None,
    ) -> None:
        """Look at the real images.

        Args:
            extractor: of the features in which all is scored.
            images: validation images by domain, cut to centre squares.
            formats: of the domains.
            size: of the squares.
            seed: of the method's noise and styles: the same ones at all times, a style for each image.
            training: training images by domain, which say what the domains look like; without them, or with few, there
                are kernel distances alone.

        Raises:
            UserError: there are too few images.
        """
        if min(len(refs) for refs in images.values()) < LEAST:
            enough = setting("data.validation", LEAST)
            raise UserError(f"{setting('train.score_every')} needs images to score with: set {enough} or more")
        self._extractor, self._images, self._training = extractor, images, training or {}
        self._formats, self._size, self._seed = formats, size, seed
        self._real = {to: self._features({to: refs}) for to, refs in images.items()}
        for to, found in self._real.items():
            if len(found) < LEAST:
                raise UserError(
                    f"only {len(found)} of the {len(images[to])} validation images can be read, {images[to][0].path} "
                    f"first; scores need {LEAST}: mend them, or leave {setting('train.score_every')} out"
                )
        self._detectors: dict[Domain, TargetDetector | None] = {}
        self.verdicts: dict[Domain, str] = {}
        self.copies: dict[str, float] = {}
        """What copies of the inputs score, by the names of the scores; after the first scoring."""
        self._copies: dict[Domain, dict[str, float]] = {}

    def __call__(self, method: Method[Any]) -> dict[str, float]:
        """Score a method.

        Returns:
            Kernel distances, then shares that show the target: of each the mean over the targets, then that of each of
            several targets. A target is compared with the translations of all other domains.
        """
        self.verdicts = {}
        found = {to: self._scores(method, to) for to in method.targets}
        self.copies = self._named({to: self._copies[to] for to in found})
        return self._named(found)

    def _named(self, found: Mapping[Domain, Mapping[str, float]]) -> dict[str, float]:
        scores: dict[str, float] = {}
        for name in (self._extractor.title("KID"), TARGET):
            each = {to: values[name] for to, values in found.items() if name in values}
            if each:
                scores[f"validation/{name}"] = sum(each.values()) / len(each)
                scores |= {f"validation/{name} to {to}": one for to, one in each.items()} if len(found) > 1 else {}
        return scores

    def _scores(self, method: Method[Any], to: Domain) -> dict[str, float]:
        device = next(method.parameters()).device
        made: list[Tensor] = []
        changes: dict[str, list[Tensor]] = {name: [] for name in BETWEEN}
        inputs = self._sources(self._images, to)
        batches = (batch for d, refs in inputs.items() for batch in squares(refs, self._formats[d], self._size))
        for x, y in translated(method, (batch.to(device) for batch in batches), to, self._seed):
            made.append(colour(y))
            for name, measure in BETWEEN.items():
                changes[name].append(measure(colour(x), made[-1]))
        features = self._extractor.features(made)
        kernel = self._extractor.title("KID")
        found = {kernel: kernel_distance(features, self._real[to])}
        found |= {name: float(torch.cat(values).mean()) for name, values in changes.items()}
        detector = self._detector(to)
        real: dict[str, float] = {}
        if detector:
            found |= _shares(detector, features)
            real = _shares(detector, self._real[to])
        if words := verdict(found, self._copy(to, detector), real):
            self.verdicts[to] = words
        return found

    def _copy(self, to: Domain, detector: TargetDetector | None) -> dict[str, float]:
        """Return what copies of the inputs score, which is measured once."""
        if to not in self._copies:
            inputs = self._features(self._sources(self._images, to))
            shares = _shares(detector, inputs) if detector else {}
            self._copies[to] = {**shares, self._extractor.title("KID"): kernel_distance(inputs, self._real[to])}
        return self._copies[to]

    def _detector(self, to: Domain) -> TargetDetector | None:
        """Return what says whether a translation shows a domain; None where that cannot be known."""
        if to not in self._detectors:
            self._detectors[to] = None
            sources, targets = self._sources(self._training, to), {to: self._training.get(to, ())}
            if min(sum(map(len, side.values())) for side in (sources, targets)) >= ENOUGH:
                source, target = (self._features(_some(side, TRAINING)) for side in (sources, targets))
                inputs = self._features(self._sources(self._images, to))
                with suppress(ValueError):  # real images that are all alike say nothing
                    self._detectors[to] = TargetDetector.fit(source, target, inputs, self._real[to])
        return self._detectors[to]

    def _features(self, images: Images) -> Samples:
        found = [
            real_features(self._extractor, refs, self._formats[domain], self._size).features
            for domain, refs in images.items()
            if refs
        ]
        return found[0] if len(found) == 1 else np.concatenate(found)

    @staticmethod
    def _sources(images: Images, to: Domain) -> Images:
        return {domain: refs for domain, refs in images.items() if domain != to}


def _some(images: Images, most: int) -> Images:
    """Return up to `most` images, spread evenly over all domains."""
    chosen = evenly([(domain, ref) for domain, refs in images.items() for ref in refs], most)
    return {domain: [ref for d, ref in chosen if d == domain] for domain in images}


def _shares(detector: TargetDetector, features: Samples) -> dict[str, float]:
    return by_name(target_scores(detector.read(features)))


def best_checkpoint(training: dict[str, Any], run: Path) -> Path | None:
    """Return the checkpoint of a run that scored best on the validation images, if it was scored and kept."""
    if not training.get("best"):
        return None
    step = min(training["best"], key=lambda kept: kept[1])[0]
    folder = run / "checkpoints" / f"step-{step:09d}"
    return folder if folder.is_dir() else None
