"""All that is measured of one set of weights on the held-out images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from instar.core.abilities import Clustered, Styled, supports
from instar.core.batch import Domain
from instar.core.events import Listener, ignore
from instar.core.masks import limited
from instar.data.drawn.oracle import Reading
from instar.evaluation.appearance import Appearance
from instar.evaluation.by_class import Classes, agreement
from instar.evaluation.drawn import DrawnTruth
from instar.evaluation.held_out import Attempt, HeldOut, Row, RowReader, Squares, readable
from instar.evaluation.label_maps import LabelMaps, LabelTask, label_maps
from instar.evaluation.progress import counted
from instar.evaluation.references import real_features
from instar.evaluation.registered_scores import reference_images
from instar.evaluation.report import COPY, REAL
from instar.evaluation.sanity import lost_notes
from instar.evaluation.score import Score
from instar.evaluation.scores import Measured, Meter, Scorer
from instar.evaluation.spread import Spread, here
from instar.inference.translator import Translator
from instar.metrics.extractors import Extractor

Found = tuple[list[Score], list[str]]
"""Scores, and what is to be said about them."""
Translate = Callable[[Tensor, list[int]], Tensor]
"""Translates inputs (n, C, H, W) in [-1, 1] that are at some places among all."""


def translated(translator: Translator, x: Tensor, to: Domain, places: Sequence[int]) -> Tensor:
    """Translate images to be scored: with styles each in one of its own, drawn from its place; else noise of seed 0.

    In one style for all a model that can draw every dog there is would be scored on the dogs of one look.

    Args:
        translator: of the model.
        x: (N, C, H, W) in [-1, 1].
        to: domain to translate into.
        places: (N,) of the images among all that are scored.
    """
    if not supports(translator.method, Styled):
        y = translator.tensors(x, to)
    else:
        y = torch.cat([translator.tensors(one[None], to, seed=place) for one, place in zip(x, places, strict=True)])
    return limited(y, x) if translator.config.data.masks else y


class Translation:
    """What `translated` does with a model. Where it is unpickled the model is loaded anew, when it is first asked."""

    def __init__(self, checkpoint: Path, device: str, to: Domain, translator: Translator | None = None) -> None:
        """Take over a model.

        Args:
            checkpoint: of it.
            device: where to load it.
            to: domain to translate into.
            translator: the model, if it is loaded.
        """
        self._given = checkpoint, device, to
        self._translator = translator

    @property
    def translator(self) -> Translator:
        """The model."""
        if self._translator is None:
            checkpoint, device, _ = self._given
            self._translator = Translator.load(checkpoint, device)
        return self._translator

    def __call__(self, x: Tensor, places: Sequence[int]) -> Tensor:
        """Translate inputs (n, C, H, W) in [-1, 1] at some places."""
        return translated(self.translator, x, self._given[-1], places)

    def __reduce__(self) -> tuple[type[Translation], tuple[Path, str, Domain]]:
        return Translation, self._given


class _Seen(NamedTuple):
    """What came of a batch."""

    places: list[int]
    measured: Measured
    counts: Tensor | None
    readings: list[Reading]


@dataclass(frozen=True)
class _Scoring:
    """Translates inputs and looks at the results."""

    reader: RowReader
    translate: Translate
    meter: Meter
    maps: LabelMaps | None
    drawn: DrawnTruth | None

    def __call__(self, rows: Sequence[Row]) -> Iterator[Attempt[_Seen]]:
        return (one.then(self._seen) for one in self.reader(rows))

    def _seen(self, squares: Squares) -> _Seen:
        places, x, truth = squares
        y = self.translate(x, places)
        counts = self.maps.counts(y, places) if self.maps else None
        return _Seen(places, self.meter(x, y, truth), counts, self.drawn.read(y, places) if self.drawn else [])


@dataclass(frozen=True)
class Evaluator:
    """The held-out images and what is asked of translations of them."""

    images: HeldOut
    scorer: Scorer
    maps: LabelMaps | None = None
    """Where one side of the pairs are label maps and they are to be scored."""
    classes: Classes | None = None
    """Where the images are of one folder and have classes."""
    drawn: DrawnTruth | None = None
    """Where the images are those of a drawn set."""
    on_event: Listener = ignore
    spread: Spread = here
    notes: list[str] = field(default_factory=list)
    """About the real images."""
    read: set[int] = field(default_factory=set)
    """Places of the inputs that could be decoded, once something was scored."""

    @classmethod
    def of(
        cls,
        images: HeldOut,
        extractor: Extractor,
        labels: LabelTask | None,
        translator: Translator,
        on_event: Listener = ignore,
        spread: Spread = here,
    ) -> Evaluator:
        """Look at the real images.

        Raises:
            UserError: no real image can be read, or the label maps are not as `labels` says.
        """
        maps = label_maps(labels, images, translator.device, on_event) if labels else None
        real = real_features(extractor, images.targets, images.formats[1], images.size, on_event, spread)
        found = Classes(images, extractor, real) if images.one_folder else None
        appearance, notes = Appearance.of(extractor, images, real.features, on_event, spread)
        drawn, said = DrawnTruth.of(images.inputs, images.size)
        scorer = Scorer(extractor, real.features, reference_images(images.real), appearance)
        classes = found if found and found.there else None
        said += lost_notes(images.targets, set(real.places), f"test images of {images.names[1]}")
        return cls(images, scorer, maps, classes, drawn, on_event, spread, [*notes, *said])

    def protocol(self, translator: Translator) -> str:
        """Return how a model was scored, in words."""
        extractor = self.scorer.extractor.describe((len(self.read), len(self.scorer.real)))
        styles = "; each input in a style of its own" if supports(translator.method, Styled) else ""
        return f"{extractor}; centre squares at {self.images.size} px{styles}"

    def copy(self) -> Found:
        """Score the inputs themselves, as a method does that changes nothing."""
        (scores, _), kept = self._scores(_unchanged, COPY)
        more, notes = self.classes.copy() if self.classes else ([], [])
        lost = lost_notes(self.images.inputs, kept, f"test images of {self.images.names[0]}")
        return [*scores, *more], [*self.notes, *lost, *notes, *(self.maps.notes if self.maps else [])]

    def ceiling(self) -> list[Score]:
        """Return what real images of the target score in the place of translations, where that can be had."""
        found: list[Score] = []
        if appearance := self.scorer.appearance:
            found += appearance.ceiling(self.scorer.real, self._beside_inputs())
        if self.maps and self.maps.segmenter:
            rows = self._rows(REAL)
            counts = [self.maps.counts(truth, places) for places, _, truth in rows if truth is not None]
            found += self.maps.scores(counts)
        return found

    def _beside_inputs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs, and as many real images of the target: their truths if they are pairs, else any others."""
        for (_, x, _), y in zip(self.images.rows(), self.images.real(), strict=False):
            count = min(len(x), len(y))
            yield x[:count], y[:count]

    def scores(self, translation: Translation, what: str) -> Found:
        """Score what a model makes of the inputs; it is called `what` while it is worked at."""
        (scores, notes), read = self._scores(translation, what)
        self.read.update(read)
        translator = translation.translator
        if self.classes and supports(translator.method, Styled):
            scores += self.classes.translated(translator, self.on_event)[0]
        if self.classes and supports(translator.method, Clustered):
            more, said = agreement(translator.method, self.images, translator.device)
            scores, notes = [*scores, *more], [*notes, *said]
        return scores, notes

    def _scores(self, translate: Translate, what: str) -> tuple[Found, set[int]]:
        """Return what is found, and the places of the inputs that could be read."""
        counts: list[Tensor] = []
        readings: list[Reading] = []
        read: set[int] = set()
        work = _Scoring(self.images.reader, translate, self.scorer.meter, self.maps, self.drawn)
        total = len(self.images.inputs)

        def measured() -> Iterator[Measured]:
            done = readable(self.spread(work, self.images.items()), total)
            for seen in counted(done, lambda seen: len(seen.places), what, total, self.on_event):
                read.update(seen.places)
                counts.extend([] if seen.counts is None else [seen.counts])
                readings.extend(seen.readings)
                yield seen.measured

        scores, notes = self.scorer.scores_of(measured())
        more = [*(self.maps.scores(counts) if self.maps else []), *(self.drawn.scores(readings) if self.drawn else [])]
        return ([*scores, *more], notes), read

    def _rows(self, what: str) -> Iterator[Squares]:
        return counted(self.images.rows(), lambda row: len(row[0]), what, len(self.images.inputs), self.on_event)


def _unchanged(x: Tensor, places: Sequence[int]) -> Tensor:
    return x
