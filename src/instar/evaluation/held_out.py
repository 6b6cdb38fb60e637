"""The images on which a run is judged: never those it was trained on, unless it is told so in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from instar.core.batch import Domain, Labelled, Paired, Unlabelled
from instar.core.config import RunConfig
from instar.core.errors import UserError
from instar.core.images import UnreadableImage
from instar.core.registry import get
from instar.data import ImageRef, find, find_one
from instar.data.labels import classes, labelled, square
from instar.evaluation.caveats import caveats, leaks

BATCH = 20


@dataclass(frozen=True)
class HeldOut:
    """Inputs, real images of the target domain, and for pairs the truth of each input, at the size of the training.

    All are cut to their centre square and resized (bicubic) to that size.
    """

    inputs: Sequence[ImageRef]
    targets: Sequence[ImageRef]
    size: int
    channels: int
    paired: bool
    names: tuple[str, str]
    """Of the domain of the inputs, and of that of the targets."""
    classes: tuple[str, ...] = ()
    """Of the labelled source, for methods that classify."""
    notes: list[str] = field(default_factory=list)
    """What the reader of the scores must know, a line each."""

    def batches(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield inputs (n, C, size, size) in [-1, 1] and, for pairs, their truths. Unreadable files are left out."""
        truths = self.targets if self.paired else [None] * len(self.inputs)
        rows = list(zip(self.inputs, truths, strict=True))
        for start in range(0, len(rows), BATCH):
            x, y = [], []
            for ref, truth in rows[start : start + BATCH]:
                try:
                    one = square(ref, self.channels, self.size)
                    other = square(truth, self.channels, self.size) if truth else None
                except UnreadableImage:
                    continue
                x.append(one)
                y += [] if other is None else [other]
            if x:
                yield torch.stack(x), torch.stack(y) if y else None

    def real(self) -> Iterator[Tensor]:
        """Yield the targets in batches."""
        yield from squares(self.targets, self.channels, self.size)

    def labelled(self, side: Domain) -> list[tuple[Tensor, Tensor]]:
        """Return images of the source (a) or the target (b) that have classes, and the numbers of these."""
        refs = self.inputs if side == "a" else self.targets
        return list(labelled(refs, self.classes, self.channels, self.size))


def squares(refs: Sequence[ImageRef], channels: int, size: int) -> Iterator[Tensor]:
    """Yield images in batches (n, channels, size, size) in [-1, 1]; unreadable files are left out."""
    for start in range(0, len(refs), BATCH):
        found = []
        for ref in refs[start : start + BATCH]:
            try:
                found.append(square(ref, channels, size))
            except UnreadableImage:
                continue
        if found:
            yield torch.stack(found)


def held_out(config: RunConfig, roots: tuple[Path, ...], to: Domain) -> HeldOut:
    """Find the test images for a run.

    Args:
        config: of the run.
        roots: where they are, laid out as for training; the run's own data if empty.
        to: the direction of the translation.

    Raises:
        UserError: there are no test images, or the domains are other ones than those of the training.
    """
    kind = get(config.name)
    paired = issubclass(kind.data, Paired)
    cfg = replace(config.data, roots=roots or config.data.roots)
    one = issubclass(kind.data, Unlabelled)
    found = find_one(cfg) if one else find(cfg, paired)
    a, b = (found.test_a, found.test_b) if to == "b" else (found.test_b, found.test_a)
    names = (found.name_a, found.name_b) if to == "b" else (found.name_b, found.name_a)
    if not a or not b:
        raise UserError(f"{cfg.roots[0]}: there are no test images; put some into {names[0]} and {names[1]} under test")
    notes = [note for note in found.notes if "test" in note]
    for name, refs in zip(names, (a, b), strict=True):
        notes += caveats(refs, f"test images of {name}")
    notes += _leaks([*a, *b], config)
    groups = classes(found.train_a, found.name_a) if issubclass(kind.data, Labelled) else []
    return HeldOut(a, b, cfg.size, config.method.channels, paired, names, tuple(groups), notes)


def _leaks(test: Sequence[ImageRef], config: RunConfig) -> list[str]:
    """Return a sentence if test images are among those of the training, or if that cannot be told."""
    kind = get(config.name).data
    try:
        trained = find_one(config.data) if issubclass(kind, Unlabelled) else find(config.data, issubclass(kind, Paired))
    except UserError:
        return ["the training images are not where they were: whether test images are among them is not known"]
    return leaks(test, [*trained.train_a, *trained.train_b], "test images")
