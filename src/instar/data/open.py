"""From the settings of a run to its training batches and its held-out images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from instar.core.batch import Batch, Labelled, Paired, Unlabelled, Unpaired
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.core.images import UnreadableImage
from instar.data import labels
from instar.data.folders import DataSet, find, find_one
from instar.data.labels import square
from instar.data.loader import TrainLoader
from instar.data.refs import ImageRef
from instar.data.store import Decoding, ImageStore


@dataclass(frozen=True)
class Data:
    """The images of a run."""

    train: TrainLoader
    test_a: list[ImageRef]
    test_b: list[ImageRef]
    name_a: str
    name_b: str
    notes: list[str]
    """What the user should know, a line each."""
    bad: list[tuple[Path, str]]
    """Training files left out because they cannot be read, with the reason."""
    channels: int
    shown: tuple[list[ImageRef], list[ImageRef]]
    """Where the sample pictures come from: the test images, or training images if there are none."""
    validation: tuple[list[ImageRef], list[ImageRef]] = ([], [])
    """Images of both domains kept from training to score the run while it trains."""
    classes: tuple[str, ...] = ()
    """Names of the classes of a, in the order of their numbers, if the method may see labels."""

    def samples(self, n: int) -> Batch:
        """Return up to `n` held-out images of each domain: centre squares of the size of the training crops.

        Of one folder the images are both `a` and `b`.

        Always the same ones, spread evenly over the files; pairs stay pairs. A domain with fewer images than the
        other repeats them. Unreadable files are left out.

        Raises:
            UserError: none of them can be read.
        """
        if self.train.paired:
            rows = self._squares(list(zip(*self.shown, strict=True)), n)
            a, b = ([row[side] for row in rows] for side in (0, 1))
        elif self.train.views:
            a = b = [row[0] for row in self._squares([(ref,) for ref in self.shown[0]], n)]
        else:
            a, b = ([row[0] for row in self._squares([(ref,) for ref in refs], n)] for refs in self.shown)
            count = max(len(a), len(b))
            a, b = ([side[i % len(side)] for i in range(count)] for side in (a, b))
        names = (*(name for name, _ in a), *(name for name, _ in b))
        kind = Unlabelled if self.train.views else Paired if self.train.paired else Unpaired
        return kind(torch.stack([square for _, square in a]), torch.stack([square for _, square in b]), names)

    def _squares(self, rows: Sequence[tuple[ImageRef, ...]], n: int) -> list[list[tuple[str, Tensor]]]:
        n = min(n, len(rows))
        found = []
        for row in (rows[i * len(rows) // n] for i in range(n)):
            try:
                found.append([(ref.name, square(ref, self.channels, self.train.size)) for ref in row])
            except UnreadableImage:
                continue
        if not found:
            raise UserError(f"no test image can be read; the first is {rows[0][0].path}")
        return found


def open_data(
    cfg: DataConfig, channels: int, kind: type[Batch], batch: int, seed: int, *, rank: int = 0, world: int = 1
) -> Data:
    """Find the images, decode them into the cache, and set up the training batches.

    Args:
        cfg: which images, and how they are cut.
        channels: 1 or 3.
        kind: `Paired`, `Unpaired`, `Labelled` or `Unlabelled`.
        batch: images per domain in a step, over all ranks.
        seed: of the order, the crops and the flips.
        rank: which part of every batch this process gets.
        world: number of processes. Let rank 0 come here first: the others then find its cache.

    Raises:
        UserError: the folders do not hold what `kind` needs, or too many files cannot be read.
    """
    paired, views = issubclass(kind, Paired), issubclass(kind, Unlabelled)
    if cfg.labelled < 1 and not views:
        raise UserError(f"--data.labelled {cfg.labelled:g}: this method needs all labels, or none; leave it out")
    found = find_one(cfg) if views else find(cfg, paired)
    classes = _classes(found, kind)
    decoding = Decoding(cfg.short_side, channels, cfg.cache_gb, max_bad=cfg.max_bad)
    if paired:
        a, b = ImageStore.open_pair(found.train_a, found.train_b, decoding, progress=rank == 0)
        opened = [a]  # both sides have the same notes
    elif views:
        a = b = ImageStore.open(found.train_a, decoding, progress=rank == 0)
        opened = [a]
    else:
        a = ImageStore.open(found.train_a, decoding, progress=rank == 0)
        b = ImageStore.open(found.train_b, replace(decoding, taken=a.cached_bytes), progress=rank == 0)
        opened = [a, b]
    bad = [item for store in opened for item in store.bad]
    notes = [*found.notes, *dict.fromkeys(note for store in opened for note in store.notes)]
    if bad:
        notes.append(f"unreadable training images left out: {len(bad)}, the first {bad[0][0]}: {bad[0][1]}")
    train = TrainLoader(
        store_a=a,
        store_b=b,
        paired=paired,
        size=cfg.size,
        flip=cfg.flip,
        batch_size=batch,
        seed=seed,
        rank=rank,
        world=world,
        domains=(found.name_a, found.name_b),
        labels=labels.kept(labels.numbers(a.labels, classes), cfg.labelled) if classes else None,
        views=views,
    )
    return Data(
        train=train,
        test_a=found.test_a,
        test_b=found.test_b,
        name_a=found.name_a,
        name_b=found.name_b,
        notes=notes,
        bad=bad,
        channels=channels,
        shown=(found.test_a or found.train_a, found.test_b or found.train_b),
        validation=(found.val_a, found.val_b),
        classes=tuple(classes),
    )


def _classes(found: DataSet, kind: type[Batch]) -> list[str]:
    if issubclass(kind, Labelled):
        return labels.classes(found.train_a, found.name_a)
    return labels.some_classes(found.train_a) if issubclass(kind, Unlabelled) else []
