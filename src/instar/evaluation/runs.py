"""The scores of a run: of copying the input, of its last weights, and of others of its checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from instar.core.abilities import Classifying
from instar.core.batch import Domain
from instar.core.errors import UserError
from instar.core.run import checkpoints, find_checkpoint, load_method, read_config
from instar.evaluation.held_out import HeldOut, held_out
from instar.evaluation.scores import Judge, Row, Score
from instar.evaluation.validation import best_checkpoint
from instar.export.translator import Translator
from instar.metrics.accuracy import accuracy_over
from instar.metrics.extractors import Extractor

COPY, LAST, BEST = "copy of the input", "last", "best on validation"


@dataclass(frozen=True)
class Column:
    """The scores of one set of weights, or of no model at all."""

    title: str
    scores: list[Score]
    step: int | None = None
    minutes: float | None = None
    """Of training up to there."""


@dataclass(frozen=True)
class Report:
    """All that was measured, and on what."""

    run: str
    method: str
    direction: str
    protocol: str
    """Extractor, resize, sizes of images and of samples."""
    columns: list[Column]
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        """Return it as JSON, for other programs."""
        return json.dumps(asdict(self), indent=1)


def evaluate(
    path: Path,
    roots: Sequence[Path] = (),
    *,
    extractor: Extractor | None = None,
    to: str | None = None,
    seed: int = 0,
    every: bool = False,
    device: str = "auto",
    tick: Callable[[str], None] = lambda what: None,
) -> Report:
    """Judge a run on held-out images.

    Args:
        path: a run (its last checkpoint, unless `every`), or one checkpoint.
        roots: the images, laid out as for training; the run's own test images if empty.
        extractor: of the features in which distances are taken; None for a classifier of digits that is judged by
            its accuracy alone.
        to: domain to translate into, as for `translate`.
        seed: of the model's noise or style.
        every: score all checkpoints that were kept, not the last alone.
        device: where to compute.
        tick: told what is being measured.

    Raises:
        UserError: there is no checkpoint, no test image, or no extractor for a method that needs one.
    """
    last = find_checkpoint(path)
    config = read_config(last / "config.yaml")
    translator = Translator.load(last, device)
    domain = translator.domain(to)
    images = held_out(config, tuple(roots), domain)
    wanted = [last] if last == path or not every else checkpoints(path)
    best = None if last == path else best_checkpoint(json.loads((last / "training.json").read_text()), path)
    wanted += [best] if best and best not in wanted else []
    columns: list[Column] = []
    notes = list(images.notes)
    protocol = f"centre squares at {images.size} px; {len(images.inputs)} inputs"
    if extractor:
        tick("real images")
        judge = Judge.of(extractor, images.real())
        protocol = f"{extractor.describe((len(images.inputs), len(judge.real)))}; centre squares at {images.size} px"
        tick(COPY)
        columns.append(Column(COPY, judge.scores((x, x, truth) for x, truth in images.batches())[0]))
        for checkpoint in wanted:
            title = _title(checkpoint, last, best)
            tick(title)
            rows = translated(Translator.load(checkpoint, device), domain, images, seed)
            scores, said = judge.scores(rows)
            columns.append(Column(title, scores, *_when(checkpoint)))
            notes += [f"{title}: {note}" for note in said]
    if isinstance(translator.method, Classifying):
        tick("accuracy")
        columns += accuracies(path if last != path else last, images)
    elif not extractor:
        raise UserError("distances need an extractor: --extractor inception, or another one")
    return Report(
        run=str(path),
        method=config.name,
        direction=f"{images.names[0]} -> {images.names[1]}",
        protocol=protocol,
        columns=columns,
        notes=notes,
    )


def translated(translator: Translator, to: Domain, images: HeldOut, seed: int) -> Iterator[Row]:
    """Yield inputs, their translations and truths in batches."""
    for x, truth in images.batches():
        yield x, translator.tensors(x, to, seed=seed), truth


def accuracies(path: Path, images: HeldOut) -> list[Column]:
    """Return how well the classifier in a run names the target's test images.

    Of the last weights, of their averages, and of the checkpoint that is best on the *source's* test images, whose
    labels the training may know: nothing is chosen on the target.
    """
    kept = checkpoints(path) or [path]
    source, target = images.labelled("a"), images.labelled("b")
    if not source or not target:
        raise UserError(f"{path}: accuracy needs test images with classes in both domains")

    def share(folder: Path, side: Domain, averaged: bool = False) -> float:
        method: Any = load_method(folder, averaged=averaged)[0]
        return accuracy_over(partial(method.classify, domain=side), source if side == "a" else target)

    last = kept[-1]
    on_source = {folder: share(folder, "a") for folder in kept}
    best = max(kept, key=lambda folder: on_source[folder])
    chosen = [("last", last, False), ("last, averaged", last, True), (f"best on source, of {len(kept)}", best, False)]
    return [
        Column(
            title,
            [
                Score("accuracy, target", share(folder, "b", averaged), "higher"),
                Score("accuracy, source", on_source[folder] if not averaged else share(folder, "a", True), "higher"),
            ],
            *_when(folder),
        )
        for title, folder, averaged in chosen
    ]


def _title(checkpoint: Path, last: Path, best: Path | None) -> str:
    if checkpoint == last:
        return f"{LAST}, {BEST}" if checkpoint == best else LAST
    return BEST if checkpoint == best else checkpoint.name


def _when(checkpoint: Path) -> tuple[int, float]:
    training = json.loads((checkpoint / "training.json").read_text())
    return training["step"], training["seconds"] / 60
