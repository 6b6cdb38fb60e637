"""The images on which a run is scored: never those it was trained on, unless it is told so in words."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from instar.core.batch import Domain, Paired
from instar.core.config import LARGE, RunConfig
from instar.core.errors import UserError, setting
from instar.core.formats import DomainFormat
from instar.core.images import to_tensor
from instar.core.listing import left_out_notes
from instar.core.raster import Array
from instar.core.reading import UnreadableImage
from instar.core.registry import get
from instar.data import ImageRef, find
from instar.data.labels import known_classes, labelled, square_pixels
from instar.evaluation.sanity import leak_notes, set_notes

BATCH = 20
MOST_UNREADABLE = 0.5
"""Share of unreadable images above which nothing is scored: it would be on others than was meant."""
AHEAD = 3
"""Batches whose files are decoded while networks compute."""

Item = TypeVar("Item")
Found = TypeVar("Found")


@dataclass(frozen=True)
class HeldOut:
    """Inputs, real images of the target domain, and for pairs the truth of each input.

    All are cut to their centre square and resized (bicubic) to one size: that of the training, unless another is asked.
    """

    inputs: Sequence[ImageRef]
    targets: Sequence[ImageRef]
    size: int
    formats: tuple[DomainFormat, DomainFormat]
    """Of the inputs, and of the targets."""
    paired: bool
    names: tuple[str, str]
    """Of the domain of the inputs, and of that of the targets."""
    one_folder: bool = False
    """Whether inputs and targets are the same images, of which nobody says which domain they are of."""
    training: tuple[Sequence[ImageRef], Sequence[ImageRef]] = ((), ())
    """Training images of the same data set, on the side of the inputs and on that of the targets."""
    classes: tuple[str, ...] = ()
    """Of the labelled source, for methods that classify."""
    notes: list[str] = field(default_factory=list)
    """What the reader of the scores must know, a line each."""

    def batches(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield inputs (n, C, size, size) in [-1, 1] and, for pairs, their truths. Unreadable files are left out."""
        for _, x, truth in self.rows():
            yield x, truth

    def rows(self) -> Iterator[tuple[list[int], Tensor, Tensor | None]]:
        """Yield what `batches` does, behind the places of the inputs."""

        def load(place: int) -> tuple[int, list[Array]]:
            refs = [self.inputs[place], *([self.targets[place]] if self.paired else [])]
            sides = zip(refs, self.formats, strict=False)
            return place, [square_pixels(ref, form, self.size) for ref, form in sides]

        for found in loaded(range(len(self.inputs)), load):
            x, *truth = (
                torch.stack([to_tensor(one) for one in side]) for side in zip(*(a for _, a in found), strict=True)
            )
            yield [place for place, _ in found], x, truth[0] if truth else None

    def real(self) -> Iterator[Tensor]:
        """Yield the targets in batches."""
        yield from squares(self.targets, self.formats[1], self.size)

    def labelled(self, side: Domain) -> list[tuple[Tensor, Tensor]]:
        """Return images of the source (a) or the target (b) that have classes, and the numbers of these."""
        refs, form = (self.inputs, self.formats[0]) if side == "a" else (self.targets, self.formats[1])
        return list(labelled(refs, self.classes, form, self.size))


def squares(refs: Sequence[ImageRef], form: DomainFormat, size: int) -> Iterator[Tensor]:
    """Yield images in batches (n, channels, size, size) in [-1, 1]; unreadable files are left out."""
    for found in loaded(refs, lambda ref: square_pixels(ref, form, size)):
        yield torch.stack([to_tensor(array) for array in found])


def loaded(items: Sequence[Item], load: Callable[[Item], Found]) -> Iterator[list[Found]]:
    """Yield what `load` makes of the items, in order and in lists of up to `BATCH`; unreadable images are left out.

    Threads work on the next batches meanwhile. `load` must not compute with PyTorch: it would start threads of its own.

    Raises:
        UserError: none of the images can be read, or more than `MOST_UNREADABLE` of them cannot.
    """
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    waiting: deque[list[Future[Found]]] = deque()
    starts = iter(range(0, len(items), BATCH))
    count, failure = 0, None
    try:
        for start in chain(starts, [None] * AHEAD):
            if start is not None:
                waiting.append([pool.submit(load, item) for item in items[start : start + BATCH]])
            if waiting and (start is None or len(waiting) > AHEAD):
                found, failed = _results(waiting.popleft())
                count, failure = count + len(found), failure or failed
                if found:
                    yield found
    finally:
        pool.shutdown(cancel_futures=True)
    if failure and count < (1 - MOST_UNREADABLE) * len(items):
        many = f"only {count}" if count else "none"
        raise UserError(f"{many} of the {len(items)} images can be read, {failure}")


def _results(futures: list[Future[Found]]) -> tuple[list[Found], UnreadableImage | None]:
    """Return what was made of readable images, and why the first other one could not be read."""
    found, failure = [], None
    for future in futures:
        try:
            found.append(future.result())
        except UnreadableImage as error:
            failure = failure or error
    return found, failure


def held_out(
    config: RunConfig,
    roots: tuple[Path, ...],
    to: Domain,
    *,
    source: Domain | None = None,
    pairs: bool = False,
    size: int | None = None,
) -> HeldOut:
    """Find the test images for a run.

    Args:
        config: of the run.
        roots: where they are, laid out as for training; the run's own data if empty.
        to: the direction of the translation.
        source: domain of the inputs; the first one that is not `to` if None.
        pairs: take the test images as pairs even if the method is trained without.
        size: side of the squares; that of the training if None.

    Raises:
        UserError: there are no test images, no pairs where they are needed, or the domains are other ones than those
            of the training.
    """
    trained = get(config.name).kind_of(config.method)
    cfg = replace(config.data, roots=roots or config.data.roots)
    one = len(trained.sources()) == 1
    if one and pairs:
        unfit = f"leave out {setting('palette')}, {setting('segmenter')}"
        raise UserError(f"{config.name} takes one folder, so that no side is label maps: {unfit}")
    # One folder is the domain, whatever it is called: another one may be scored than that of the training.
    found = find(cfg.unnamed() if one else cfg, Paired if pairs else trained)
    source = source or next(domain for domain in found.kind.parts if domain != to)
    a, b = found.test[source], found.test[to]
    names, training = (found.names[source], found.names[to]), (found.train[source], found.train[to])
    if not a or not b:
        raise UserError(f"{cfg.roots[0]}: there are no test images; put some into {names[0]} and {names[1]} under test")
    left_out = left_out_notes(found.left_out)
    notes: list[str] = [note for note in found.notes if "test" in note and note not in left_out] + left_out
    for name, refs in zip(names, (a, b), strict=True):
        notes += set_notes(refs, f"test images of {name}")
    notes += _leaks([*a, *b], config)
    if size is None and cfg.short_side > LARGE * cfg.size:
        notes.append(
            f"it was trained on {cfg.size} px cut out of images of {cfg.short_side} px, and is shown whole ones shrunk "
            f"to {cfg.size} px here; {setting('size', cfg.short_side)} shows them as in the training"
        )
    paired = found.kind.paired(source, to)
    groups = tuple(known_classes(trained, found.train, found.names))
    parts = tuple(trained.parts)
    formats = config.format_of(source, parts), config.format_of(to, parts)
    return HeldOut(a, b, size or cfg.size, formats, paired, names, one, training, groups, notes)


def _leaks(test: Sequence[ImageRef], config: RunConfig) -> list[str]:
    """Return a sentence if test images are among those of the training, or if that cannot be told."""
    try:
        trained = find(config.data, get(config.name).kind_of(config.method))
    except UserError:
        return ["the training images are not where they were: whether test images are among them is not known"]
    return leak_notes(test, list(chain.from_iterable(trained.train.values())), "test images")
