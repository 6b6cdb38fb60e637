"""The scores of a run: of copying the input, of its last weights, and of others of its checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from instar.core.abilities import Classifying, Clustered, Styled
from instar.core.batch import Domain
from instar.core.errors import UserError
from instar.core.run import checkpoints, find_checkpoint, load_method, read_config
from instar.evaluation.bench import Bench
from instar.evaluation.by_class import agreement
from instar.evaluation.held_out import HeldOut, held_out
from instar.evaluation.label_maps import LabelTask
from instar.evaluation.scores import Score, colour
from instar.evaluation.validation import best_checkpoint
from instar.inference.translator import Translator
from instar.metrics.accuracy import accuracy_over
from instar.metrics.diversity import SAMPLES, ImageDistance, diversity
from instar.metrics.extractors import Extractor

COPY, LAST, BEST, REAL = "copy of the input", "last", "best on validation", "real images"

INPUTS = 100
"""Images whose styles are compared, as in the papers."""


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


@dataclass(frozen=True)
class Extras:
    """What is measured, or measured otherwise, only if it is asked for."""

    distance: tuple[ImageDistance, str] | None = None
    """For a method with styles: between its translations of an image, with what is to be said about it
    (`instar.metrics.diversity.distance_for`)."""
    labels: LabelTask | None = None
    """One side of the pairs are label maps: how right the translations are, pixel by pixel."""
    size: int | None = None
    """Side of the squares that are translated and compared; that of the training if None."""


def evaluate(
    path: Path,
    roots: Sequence[Path] = (),
    *,
    extractor: Extractor | None = None,
    to: str | None = None,
    every: bool = False,
    extras: Extras = Extras(),
    device: str = "auto",
    tick: Callable[[str], None] = lambda what: None,
) -> Report:
    """Judge a run on held-out images.

    Args:
        path: a run (its last checkpoint, unless `every`), or one checkpoint.
        roots: the images, laid out as for training; the run's own test images if empty.
        extractor: of the features in which distances are taken; None for a classifier of digits that is judged by
            its accuracy alone, and for a method that finds domains, by how these agree with classes.
        to: domain to translate into, as for `translate`.
        every: score all checkpoints that were kept, not the last alone.
        extras: what is measured only if it is asked for.
        device: where to compute.
        tick: told what is being measured.

    Raises:
        UserError: there is no checkpoint, no test image, or no extractor for a method that needs one.
    """
    last = find_checkpoint(path)
    config = read_config(last / "config.yaml")
    translator = Translator.load(last, device)
    domain = translator.domain(to)
    if extras.size and isinstance(translator.method, Classifying):
        raise UserError(f"--size {extras.size}: these networks take {config.data.size} px; leave it out")
    images = held_out(config, tuple(roots), domain, pairs=extras.labels is not None, size=extras.size)
    wanted = [last] if last == path or not every else checkpoints(path)
    best = None if last == path else best_checkpoint(json.loads((last / "training.json").read_text()), path)
    wanted += [best] if best and best not in wanted else []
    when = {checkpoint: _when(checkpoint) for checkpoint in wanted}  # now: a run that still trains drops old ones
    columns: list[Column] = []
    notes = list(images.notes)
    protocol = f"centre squares at {images.size} px; {len(images.inputs)} inputs"
    if extractor:
        tick("real images")
        bench = Bench.of(images, extractor, extras.labels, translator, tick)
        counts = (len(images.inputs), len(bench.judge.real))
        protocol = f"{extractor.describe(counts)}; centre squares at {images.size} px"
        if isinstance(translator.method, Styled):
            protocol += "; each input in a style of its own"
        tick(COPY)
        scores, said = bench.copy()
        columns.append(Column(COPY, scores))
        columns += [Column(REAL, ceiling)] if (ceiling := bench.ceiling()) else []
        notes += said
        for checkpoint in wanted:
            title = _title(checkpoint, last, best)
            tick(title)
            model = translator if checkpoint == last else Translator.load(checkpoint, device)
            scores, said = bench.scores(model, domain)
            if extras.distance and checkpoint == last:
                tick("diversity")
                score, about = spread_of_styles(translator, domain, images, extras.distance)
                scores.append(score)
                notes += about
            columns.append(Column(title, scores, *when[checkpoint]))
            notes += [f"{title}: {note}" for note in said]
    if isinstance(translator.method, Classifying):
        tick("accuracy")
        columns += accuracies(path if last != path else last, images)
    elif isinstance(translator.method, Clustered) and not extractor:
        for checkpoint in wanted:
            tick(title := _title(checkpoint, last, best))
            model = translator if checkpoint == last else Translator.load(checkpoint, device)
            assert isinstance(model.method, Clustered)
            scores, said = agreement(model.method, images, model.device)
            columns.append(Column(title, scores, *when[checkpoint]))
            notes += [f"{title}: {note}" for note in said]
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


def spread_of_styles(
    translator: Translator, to: Domain, images: HeldOut, distance: tuple[ImageDistance, str]
) -> tuple[Score, list[str]]:
    """Return the mean distance of consecutive ones of 20 translations of an image, over 100 images, and what it is.

    BicycleGAN's protocol (Zhu et al. 2017); the same 20 styles for all images.
    """
    styles = translator.styles(SAMPLES)

    def translations() -> Iterator[Tensor]:
        inputs = (one[None] for x, _ in images.batches() for one in x)
        for x in islice(inputs, INPUTS):
            made = [translator.tensors(x, to, style=style) for style in styles]
            yield colour(torch.cat(made)).clamp(-1, 1)

    measure, why = distance
    found = diversity(measure, translations())
    bounds = found.interval() if len(found.each) >= 4 else (None, None)
    return Score("diversity", found.mean, "", *bounds), [f"diversity is {found.name}", *([why] if why else [])]


def accuracies(path: Path, images: HeldOut, own: Domain = "b") -> list[Column]:
    """Return how well the classifier in a run names the target's test images.

    Of the last weights, of their averages, and of the checkpoint that is best on the *source's* test images, whose
    labels the training may know: nothing is chosen on the target.

    Args:
        path: a run, or one checkpoint.
        images: the test images.
        own: whose own layers classify the target's images; a for a classifier that has never seen the target.
    """
    kept = checkpoints(path) or [path]
    # Read at once: a run that still trains drops old ones while the images are classified.
    when = [_when(folder) for folder in kept]
    methods: list[Any] = [load_method(folder, averaged=False)[0] for folder in kept]
    average: Any = load_method(kept[-1])[0]
    by_side: dict[Domain, list[tuple[Tensor, Tensor]]] = {"a": images.labelled("a"), "b": images.labelled("b")}
    if not all(by_side.values()):
        raise UserError(f"{path}: accuracy needs test images with classes in both domains")

    def share(method: Any, side: Domain) -> float:
        return accuracy_over(partial(method.classify, domain=side if side == "a" else own), by_side[side])

    def column(title: str, method: Any, on_source: float, at: tuple[int, float]) -> Column:
        target = Score("accuracy, target", share(method, "b"), "higher")
        return Column(title, [target, Score("accuracy, source", on_source, "higher")], *at)

    on_source = [share(method, "a") for method in methods]
    best = max(range(len(kept)), key=lambda place: on_source[place])
    return [
        column("last", methods[-1], on_source[-1], when[-1]),
        column("last, averaged", average, share(average, "a"), when[-1]),
        column(f"best on source, of {len(kept)}", methods[best], on_source[best], when[best]),
    ]


def _title(checkpoint: Path, last: Path, best: Path | None) -> str:
    if checkpoint == last:
        return f"{LAST}, {BEST}" if checkpoint == best else LAST
    return BEST if checkpoint == best else checkpoint.name


def _when(checkpoint: Path) -> tuple[int, float]:
    training = json.loads((checkpoint / "training.json").read_text())
    return training["step"], training["seconds"] / 60
