"""The images on which a run is scored: never those it was trained on, unless it is told so in words."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Generic, TypeVar

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
Made = TypeVar("Made")
Row = tuple[int, Sequence[ImageRef]]
"""The place of an input among all, with the input and, for pairs, its truth."""
Squares = tuple[list[int], Tensor, Tensor | None]
"""Places of inputs, the inputs (n, C, size, size) in [-1, 1] and, for pairs, their truths."""


@dataclass(frozen=True)
class Attempt(Generic[Found]):
    """What came of a batch of items."""

    found: Found | None
    """None if none of them could be read."""
    count: int
    """Of the items that could be read."""
    failure: str | None
    """Why the first other one could not be."""

    def then(self, make: Callable[[Found], Made]) -> Attempt[Made]:
        """Return what is made of what was found."""
        return Attempt(None if self.found is None else make(self.found), self.count, self.failure)


@dataclass(frozen=True)
class RowReader:
    """Reads rows of images as squares."""

    formats: tuple[DomainFormat, DomainFormat]
    """Of the inputs, and of the targets."""
    size: int

    def __call__(self, rows: Sequence[Row]) -> Iterator[Attempt[Squares]]:
        """Yield a batch after the other. Files that cannot be read are left out, with their partners."""
        return (one.then(self._stacked) for one in attempts(rows, self._load))

    def _load(self, row: Row) -> tuple[int, list[Array]]:
        place, refs = row
        return place, [square_pixels(ref, form, self.size) for ref, form in zip(refs, self.formats, strict=False)]

    @staticmethod
    def _stacked(found: Sequence[tuple[int, list[Array]]]) -> Squares:
        sides = zip(*(arrays for _, arrays in found), strict=True)
        x, *truth = (torch.stack([to_tensor(one) for one in side]) for side in sides)
        return [place for place, _ in found], x, truth[0] if truth else None


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

    def rows(self) -> Iterator[Squares]:
        """Yield what `batches` does, behind the places of the inputs."""
        return readable(self.reader(self.items()), len(self.inputs))

    @property
    def reader(self) -> RowReader:
        """What reads `items`."""
        return RowReader(self.formats, self.size)

    def items(self) -> list[Row]:
        """Return a row for each input."""
        if self.paired:
            return list(enumerate(zip(self.inputs, self.targets, strict=False)))
        return [(place, (ref,)) for place, ref in enumerate(self.inputs)]

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

    Raises:
        UserError: as `readable`.
    """
    return readable(attempts(items, load), len(items))


def readable(found: Iterable[Attempt[Found]], total: int) -> Iterator[Found]:
    """Yield what was found.

    Raises:
        UserError: none of `total` images can be read, or more than `MOST_UNREADABLE` of them cannot.
    """
    count, failure = 0, None
    for one in found:
        count, failure = count + one.count, failure or one.failure
        if one.found is not None:
            yield one.found
    if failure and count < (1 - MOST_UNREADABLE) * total:
        many = f"only {count}" if count else "none"
        raise UserError(f"{many} of the {total} images can be read, {failure}")


def attempts(items: Sequence[Item], load: Callable[[Item], Found]) -> Iterator[Attempt[list[Found]]]:
    """Yield what `load` makes of the items, in order and in batches of `BATCH`.

    Threads work on the next batches meanwhile. `load` must not compute with PyTorch: it would start threads of its own.
    """
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    waiting: deque[list[Future[Found]]] = deque()
    starts = iter(range(0, len(items), BATCH))
    try:
        for start in chain(starts, [None] * AHEAD):
            if start is not None:
                waiting.append([pool.submit(load, item) for item in items[start : start + BATCH]])
            if waiting and (start is None or len(waiting) > AHEAD):
                yield _attempt(waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _attempt(futures: list[Future[Found]]) -> Attempt[list[Found]]:
    found, failure = [], None
    for future in futures:
        try:
            found.append(future.result())
        except UnreadableImage as error:
            failure = failure or str(error)
    return Attempt(found or None, len(found), failure)


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
