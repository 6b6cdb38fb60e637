"""From the settings of a run to its training batches and its held-out images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from instar.core.batch import Batch, Domain
from instar.core.config import DataConfig
from instar.core.errors import Message, UserError, setting
from instar.core.evenly import evenly
from instar.core.events import Listener, ignore
from instar.core.formats import DomainFormat
from instar.core.masks import MASK
from instar.core.reading import UnreadableImage
from instar.data import labels
from instar.data.decoding import Decoding
from instar.data.labels import square
from instar.data.large import middle
from instar.data.loader import TrainLoader
from instar.data.measuring import Formats, find_formats
from instar.data.refs import Row
from instar.data.selection import Selection, find
from instar.data.store import ImageStore, open_stores


@dataclass(frozen=True)
class Data:
    """The images of a run."""

    train: TrainLoader
    found: Selection
    """The images by domain and split, and the domains' names."""
    notes: list[Message]
    """What the user should know, a line each."""
    bad: list[tuple[Path, str]]
    """Training files left out because they cannot be read, with the reason."""
    formats: Mapping[Domain, DomainFormat]
    """Of each domain's images."""
    classes: tuple[str, ...] = ()
    """Names of the classes in the order of their numbers, if the method may see labels."""
    native: bool = False
    """Whether crops are cut from images of their own size."""

    def samples(self, n: int) -> Batch:
        """Return up to `n` held-out images of each domain: centre squares in the size of the training crops.

        If crops are cut from images of their own size, these are the middle of the images.

        Always the same ones, spread evenly over the files; pairs stay pairs. A domain with fewer images than the
        others repeats them. Unreadable files are left out.

        Raises:
            UserError: none of them can be read.
        """
        kind = self.found.kind
        shown = zip(kind.rows(), self.found.rows(self.found.shown), strict=True)
        orders = [self._squares(found, n, [self.formats[domain] for domain in row]) for row, found in shown]
        count = max(len(rows) for rows in orders)
        images, names = {}, {}
        for domain, part in kind.parts.items():
            rows = orders[part.order]
            column = [rows[i % len(rows)][part.side] for i in range(count)]
            images[domain] = torch.stack([square for _, square in column])
            names[domain] = [name for name, _ in column]
        return kind.collate(images, names, {})

    def _squares(self, rows: Sequence[Row], n: int, formats: Sequence[DomainFormat]) -> list[list[tuple[str, Tensor]]]:
        found, shown = [], middle if self.native else square
        for row in evenly(rows, n):
            try:
                sides = zip(row, formats, strict=True)
                found.append([(ref.name, shown(ref, form, self.train.size)) for ref, form in sides])
            except UnreadableImage:
                continue
        if not found:
            raise UserError(f"no test image can be read; the first is {rows[0][0].path}")
        return found


def open_data(  # noqa: PLR0913  (what a run says)
    cfg: DataConfig,
    channels: int | Mapping[Domain, int],
    kind: type[Batch],
    batch: int,
    seed: int,
    *,
    rank: int = 0,
    world: int = 1,
    formats: Sequence[DomainFormat] | None = None,
    on_event: Listener = ignore,
) -> Data:
    """Find the images, decode them into the cache, and set up the training batches.

    Args:
        cfg: which images, and how they are cut.
        channels: of the networks, for all domains or by domain.
        kind: of the batches.
        batch: images per domain in a step, over all ranks.
        seed: of the order, the crops and the flips.
        rank: which part of every batch this process gets.
        world: number of processes. Let rank 0 come here first: the others then find its cache.
        formats: of the domains in the order of their keys, as they were found when the run began; none where all
            are plain. Found now if None.
        on_event: told how many images are decoded.

    Raises:
        UserError: the folders do not hold what `kind` needs, or too many files cannot be read.
    """
    if cfg.labelled < 1 and "some" not in kind.classes.values():
        said = setting("data.labelled", cfg.labelled)
        raise UserError(f"{said}: this method needs all labels, or none; leave it out")
    found = find(cfg, kind)
    classes = labels.known_classes(kind, found.train, found.names)
    formed = _formats(found, cfg, channels, formats)
    stores, masks = _stores(found, cfg, formed.of, on_event, fills_cache=rank == 0)
    opened = [stores[row[0]] for row in kind.rows()]  # all sides of a row have the same notes
    bad = [item for store in opened for item in store.bad]
    decoded = dict.fromkeys(note for store in opened for note in store.notes)
    notes = [*found.notes, *map(Message, formed.notes), *decoded]
    if bad:
        notes.append(Message(f"unreadable training images left out: {len(bad)}, the first {bad[0][0]}: {bad[0][1]}"))
    seen = kind.classes if classes else ()
    train = TrainLoader(
        kind=kind,
        stores=stores,
        size=cfg.size,
        flip=cfg.flip,
        batch_size=batch,
        seed=seed,
        rank=rank,
        world=world,
        names=found.names,
        foreground=cfg.foreground,
        masks=masks,
        labels={d: labels.kept(labels.numbers(stores[d].labels, classes), cfg.labelled) for d in seen},
    )
    return Data(train, found, notes, bad, formed.of, tuple(classes), cfg.native)


def _formats(
    found: Selection, cfg: DataConfig, channels: int | Mapping[Domain, int], known: Sequence[DomainFormat] | None
) -> Formats:
    parts = found.kind.parts
    by_domain = dict.fromkeys(parts, channels) if isinstance(channels, int) else channels
    if known:
        return Formats(dict(zip(parts, known, strict=True)))
    if known is not None:
        return Formats({domain: DomainFormat(channels=by_domain[domain]) for domain in parts})
    return find_formats(found, cfg, by_domain)


def _stores(
    found: Selection,
    cfg: DataConfig,
    formats: Mapping[Domain, DomainFormat],
    on_event: Listener,
    *,
    fills_cache: bool,
) -> tuple[dict[Domain, ImageStore], dict[Domain, list[ImageStore]]]:
    """Open the training images of each domain, and their masks; domains that show the same images have one store."""
    parts, kind, opened, taken = found.kind.parts, found.kind.rows(), [], 0
    for row, rows in zip(kind, found.rows(found.train), strict=True):
        masks = len(rows[0][0].masks)
        sides = (*(formats[domain] for domain in row), *[MASK] * masks)
        short_side = cfg.size if cfg.native else cfg.short_side
        decoding = Decoding(short_side, sides, cfg.cache_gb, taken, cfg.max_bad, masks, fills_cache, cfg.native)
        whole = [(*refs, *refs[0].masks) for refs in rows] if masks else rows
        opened.append(open_stores(whole, decoding, on_event))
        taken += opened[-1][0].reserved_bytes
    stores = {domain: opened[part.order][part.side] for domain, part in parts.items()}
    return stores, {domain: opened[part.order][len(kind[part.order]) :] for domain, part in parts.items()}
