"""The scores of a run: of copying the input, of its last weights, and of others of its checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from instar.core.abilities import Classifying, Clustered, supports
from instar.core.batch import Domain, ManyDomains
from instar.core.errors import Message, UserError, setting
from instar.core.events import Listener, ignore
from instar.core.images import colour
from instar.core.registry import get
from instar.core.run import checkpoints, find_checkpoint, load_method, read_config, read_training
from instar.evaluation.by_class import agreement
from instar.evaluation.evaluator import Evaluator, Translation
from instar.evaluation.held_out import HeldOut, held_out
from instar.evaluation.label_maps import LabelTask
from instar.evaluation.own_features import refuse_own_features
from instar.evaluation.pairs import over_pairs
from instar.evaluation.progress import counted
from instar.evaluation.report import BEST, COPY, LAST, REAL, Column, Report
from instar.evaluation.sanity import lost_notes
from instar.evaluation.score import Score, by_name
from instar.evaluation.spread import Spread, here
from instar.evaluation.validation import best_checkpoint
from instar.evaluation.verdict import verdict
from instar.inference.translator import Translator
from instar.metrics.accuracy import accuracy_over
from instar.metrics.diversity import SAMPLES, ImageDistance, diversity
from instar.metrics.extractors import Extractor

INPUTS = 100
"""Images whose styles are compared, as in the papers."""


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


def evaluate_run(  # noqa: PLR0913  (what is scored, on what, how, where, and who is told)
    path: Path,
    roots: Sequence[Path] = (),
    *,
    extractor: Extractor | None = None,
    to: str | None = None,
    every: bool = False,
    extras: Extras = Extras(),
    device: str = "auto",
    on_event: Listener = ignore,
    spread: Spread = here,
) -> Report:
    """Score a run on held-out images.

    Args:
        path: a run (its last checkpoint, unless `every`), or one checkpoint.
        roots: the images, laid out as for training; the run's own test images if empty.
        extractor: of the features in which distances are taken; None for a classifier of digits that is scored by
            its accuracy alone, and for a method that finds domains, by how these agree with classes.
        to: domain to translate into, as for `translate`; among many domains translations into all of them are scored
            if None, from each of the others.
        every: score all checkpoints that were kept, not the last alone.
        extras: what is measured only if it is asked for.
        device: where to compute.
        on_event: told of all that is measured (`Worked`).
        spread: has features computed and translations made, but for those into classes and for diversity.

    Raises:
        UserError: there is no checkpoint, no test image, or no extractor for a method that needs one.
    """
    last = find_checkpoint(path)
    config = read_config(last / "config.yaml")
    if extractor:
        refuse_own_features(config, extractor)
    translator = Translator.load(last, device)
    if extras.size and supports(translator.method, Classifying):
        size = setting("size", extras.size)
        raise UserError(f"{size}: these networks take {config.data.size} px; leave it out")
    scored = _checkpoints(path, last, every)
    report = partial(
        _report, path, translator, scored, extractor, extras=extras, device=device, on_event=on_event, spread=spread
    )
    if not extractor or not issubclass(get(config.name).kind_of(config.method), ManyDomains):
        # A classifier that translates nothing is scored by accuracy alone, on the domain without labels.
        accuracy_alone = not (translator.keys.targets or extractor or to)
        into = translator.keys.target if accuracy_alone else translator.domain(to)
        images = held_out(config, tuple(roots), into, pairs=extras.labels is not None, size=extras.size)
        return report(images, to)
    if extras.labels:
        unfit = f"leave out {setting('palette')}, {setting('segmenter')}"
        raise UserError(f"{config.name} translates among any domains, of which none is label maps: {unfit}")
    targets = translator.keys.targets if to is None else (translator.domain(to),)
    reports = []
    for target, source in (
        (target, source) for target in targets for source in translator.keys.names if source != target
    ):
        images = held_out(config, tuple(roots), target, source=source, size=extras.size)
        name = translator.keys.names[target]
        reports.append(report(images, name))
    return over_pairs(reports, extractor.title("KID"))


def _report(  # noqa: PLR0913  (as `evaluate_run`)
    path: Path,
    translator: Translator,
    scored: Sequence[_Checkpoint],
    extractor: Extractor | None,
    images: HeldOut,
    to: str | None,
    *,
    extras: Extras,
    device: str,
    on_event: Listener,
    spread: Spread,
) -> Report:
    """Score a run on held-out images of one direction."""
    protocol = f"centre squares at {images.size} px; {len(images.inputs)} inputs"
    columns: list[Column] = []
    notes: list[str] = []
    if extractor:
        evaluator = Evaluator.of(images, extractor, extras.labels, translator, on_event, spread)
        columns, notes = _distances(evaluator, translator, translator.domain(to), scored, extras, device)
        protocol = evaluator.protocol(translator)
        notes += lost_notes(images.inputs, evaluator.read, f"test images of {images.names[0]}")
    if supports(translator.method, Classifying):
        columns += accuracies(path, images, on_event=on_event)
    elif supports(translator.method, Clustered) and not extractor:
        columns, notes = _clusters(translator, images, scored, on_event)
    elif not extractor:
        raise UserError(f"distances need an extractor: {setting('extractor', 'inception')}, or another one")
    direction = f"{images.names[0]} -> {images.names[1]}"
    told = [Message(note) for note in [*images.notes, *notes]]
    return Report(str(path), translator.name, direction, protocol, columns, told)


def _distances(
    evaluator: Evaluator,
    translator: Translator,
    to: Domain,
    scored: Sequence[_Checkpoint],
    extras: Extras,
    device: str,
) -> tuple[list[Column], list[str]]:
    """Return the scores of a copy of the input, of real images if they have any, and of checkpoints."""
    copy, notes = evaluator.copy()
    columns = [Column(COPY, copy)]
    if ceiling := evaluator.ceiling():
        columns.append(Column(REAL, ceiling))
    for checkpoint in scored:
        translation = Translation(checkpoint.path, device, to, checkpoint.load(translator))
        scores, said = evaluator.scores(translation, checkpoint.title)
        if extras.distance and checkpoint.last:
            score, about = spread_of_styles(translator, to, evaluator.images, extras.distance, evaluator.on_event)
            scores.append(score)
            notes += about
        words = verdict(by_name(scores), by_name(copy), by_name(ceiling))
        columns.append(Column(checkpoint.title, scores, checkpoint.step, checkpoint.minutes, words))
        notes += [f"{checkpoint.title}: {note}" for note in said]
    return columns, notes


def _clusters(
    translator: Translator, images: HeldOut, scored: Sequence[_Checkpoint], on_event: Listener
) -> tuple[list[Column], list[str]]:
    """Return how well the domains that checkpoints found agree with the classes of the images."""
    columns, notes = [], []
    for checkpoint in counted(scored, lambda _: 1, "clusters", len(scored), on_event):
        method = checkpoint.load(translator).method
        assert supports(method, Clustered)
        scores, said = agreement(method, images, translator.device)
        columns.append(Column(checkpoint.title, scores, checkpoint.step, checkpoint.minutes))
        notes += [f"{checkpoint.title}: {note}" for note in said]
    return columns, notes


def spread_of_styles(
    translator: Translator,
    to: Domain,
    images: HeldOut,
    distance: tuple[ImageDistance, str],
    on_event: Listener = ignore,
) -> tuple[Score, list[str]]:
    """Return the mean distance of consecutive ones of 20 translations of an image, over 100 images, and what it is.

    BicycleGAN's protocol (Zhu et al. 2017); the same 20 styles for all images.
    """
    styles = translator.styles(SAMPLES, to=translator.keys.names[to])

    def translations() -> Iterator[Tensor]:
        inputs = islice((one[None] for x, _ in images.batches() for one in x), INPUTS)
        for x in counted(inputs, len, "diversity", min(INPUTS, len(images.inputs)), on_event):
            made = [translator.tensors(x, to, style=style) for style in styles]
            yield colour(torch.cat(made)).clamp(-1, 1)

    measure, why = distance
    found = diversity(measure, translations())
    bounds = found.interval() if len(found.each) >= 4 else (None, None)
    return Score("diversity", found.mean, "", *bounds), [f"diversity is {found.name}", *([why] if why else [])]


def accuracies(path: Path, images: HeldOut, own: Domain = "b", on_event: Listener = ignore) -> list[Column]:
    """Return how well the classifier in a run names the target's test images.

    Of the last weights, of their averages, and of the checkpoint that is best on the *source's* test images, whose
    labels the training may know: nothing is chosen on the target.

    Args:
        path: a run, or one checkpoint.
        images: the test images.
        own: whose own layers classify the target's images; a for a classifier that has never seen the target.
        on_event: told how far it is.
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

    on_source = [share(method, "a") for method in counted(methods, lambda _: 1, "accuracy", len(methods), on_event)]
    best = max(range(len(kept)), key=lambda place: on_source[place])
    return [
        column("last", methods[-1], on_source[-1], when[-1]),
        column("last, averaged", average, share(average, "a"), when[-1]),
        column(f"best on source, of {len(kept)}", methods[best], on_source[best], when[best]),
    ]


@dataclass(frozen=True)
class _Checkpoint:
    """A checkpoint to be scored, and its time: a run that still trains drops old ones meanwhile."""

    path: Path
    title: str
    last: bool
    step: int
    minutes: float

    def load(self, translator: Translator) -> Translator:
        """Return its model, which is `translator` if it is the last one."""
        return translator if self.last else Translator.load(self.path, translator.device.type)


def _checkpoints(path: Path, last: Path, every: bool) -> list[_Checkpoint]:
    """Return the checkpoints of a run that are scored: the last or all, and the best on the validation images."""
    wanted = [last] if last == path or not every else checkpoints(path)
    best = None if last == path else best_checkpoint(read_training(last), path)
    wanted += [best] if best and best not in wanted else []
    return [_Checkpoint(one, _title(one, last, best), one == last, *_when(one)) for one in wanted]


def _title(checkpoint: Path, last: Path, best: Path | None) -> str:
    if checkpoint == last:
        return f"{LAST}, {BEST}" if checkpoint == best else LAST
    return BEST if checkpoint == best else checkpoint.name


def _when(checkpoint: Path) -> tuple[int, float]:
    training = read_training(checkpoint)
    return training["step"], training["seconds"] / 60
