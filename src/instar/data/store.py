"""The images of a domain by number: decoded, resized, and in memory-mapped files where there is room."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from instar.core.errors import Message, UserError, setting
from instar.core.events import Listener, ignore
from instar.core.formats import DomainFormat
from instar.core.reading import summed
from instar.data import cache
from instar.data.cache import Index
from instar.data.decoding import Decoding, as_type, build, decode
from instar.data.large import LargeImage, large_images
from instar.data.many import MANY, Each, LostImage, Many
from instar.data.refs import Row

_LOOKED_AT = 1024


@dataclass(frozen=True, eq=False)
class ImageStore:
    """Images (H, W, C) of one domain in its type: of a plain one uint16 if one of its files is 16 bit, else uint8."""

    names: Sequence[str]
    bad: list[tuple[Path, str]]
    """Files left out because they cannot be read, with the reason."""
    notes: list[Message]
    """What the user should know, a line each."""
    cached_bytes: int
    """Size of the memory-mapped file, 0 if images are decoded each time."""
    image: Callable[[int], NDArray[Any] | LargeImage]
    form: DomainFormat = field(default_factory=lambda: DomainFormat(channels=3))
    """What their values mean."""
    labels: Sequence[str | None] = field(default_factory=list)
    """The images' classes, where they have any."""
    packed: bool = False
    """Whether the file holds them packed, so that they are unpacked each time."""
    large: int = 0
    """How many of them, the last ones, are read from their files crop by crop."""
    many: Many | None = None
    """The rows of a large set, which are read while it is trained on."""

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> NDArray[Any] | LargeImage:
        return self.image(i)

    @property
    def is_decoded(self) -> bool:
        """Whether pixels are there as they are, neither to be decoded nor unpacked."""
        return self.many.is_decoded if self.many else bool(self.cached_bytes) and not self.packed

    @property
    def reserved_bytes(self) -> int:
        """Size of the cache, of one that is being made as well."""
        return self.many.reserved_bytes if self.many else self.cached_bytes

    def readable(self, i: int) -> int:
        """Return the number of an image, or of the next one that is not known to be unreadable."""
        return self.many.lost.next_to(i) if self.many else i

    def looked_at(self, i: int) -> NDArray[Any]:
        """Return the pixels (H, W, C) of an image, of a large one those in the middle."""
        try:
            image = self.image(self.readable(i))
        except LostImage:
            return self.looked_at(i)
        if not isinstance(image, LargeImage):
            return image
        top, left = max(image.height - _LOOKED_AT, 0) // 2, max(image.width - _LOOKED_AT, 0) // 2
        return image[top : top + _LOOKED_AT, left : left + _LOOKED_AT]


def open_stores(rows: Sequence[Row], decoding: Decoding, on_event: Listener = ignore) -> list[ImageStore]:
    """Decode rows of images, or map what an earlier run decoded; return a store for each side of the rows.

    The images of a row get the size of its first one; a row with an unreadable image is left out.

    Args:
        rows: of equal length.
        decoding: how, and where to.
        on_event: told how many images are decoded (`Worked`).

    Raises:
        UserError: more than `max_bad` of the rows cannot be read, or all.
    """
    if not rows:
        raise ValueError("a store needs at least one image")
    found = _large_rows(rows, decoding) if decoding.native else {}
    small = [row for i, row in enumerate(rows) if i not in found] if found else rows
    stores = _small_stores(small, decoding, on_event) if small else []
    if not found:
        return stores
    return [
        _with_large(stores[side] if stores else None, [one[side] for one in found.values()])
        for side in range(len(rows[0]))
    ]


def _large_rows(rows: Sequence[Row], decoding: Decoding) -> dict[int, list[LargeImage]]:
    """Return the rows, by number, of which crops are read from their files."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda row: large_images(row, decoding.formats), rows)
        return {
            i: one for i, one in enumerate(found) if one and min(one[0].height, one[0].width) >= decoding.short_side
        }


def _with_large(store: ImageStore | None, large: list[LargeImage]) -> ImageStore:
    """Return a store with large images after its own."""
    count = len(store) if store else 0
    note = Message(f"{len(large)} large image{'s' * (len(large) > 1)}: crops are read from the files")

    def image(i: int) -> NDArray[Any] | LargeImage:
        return store[i] if store and i < count else large[i - count]

    return ImageStore(
        names=[*(store.names if store else ()), *(one.ref.name for one in large)],
        bad=store.bad if store else [],
        notes=[*(store.notes if store else ()), note],
        cached_bytes=0,
        image=image,
        form=large[0].form,
        labels=[*(store.labels if store else ()), *(one.ref.label for one in large)],
        large=len(large),
    )


def _small_stores(rows: Sequence[Row], decoding: Decoding, on_event: Listener) -> list[ImageStore]:
    """Do what `open_stores` does, for images that are decoded as a whole."""
    if len(rows) >= MANY:
        return _many_stores(Many(rows, decoding))
    name = cache.key(rows, decoding.sizing, decoding.formats)
    found = cache.load(name)
    if found is None or (found[1] is None and decoding.fits(found[0].least)):
        index, reason = build(rows, decoding, name, on_event)
        found = cache.load(name) or (index, None)
    else:
        reason = decoding.too_large(found[0].nbytes())
    index, pixels = found
    _check_bad(index, rows, decoding.max_bad)
    words = summed((rows[i][side].name, said) for i, side, said in index.notes)
    told = decoding.told_packed(index)
    if not pixels:
        told = [Message(f"{reason}: they are decoded each time, which is slower")]
    told += map(Message, words)
    return [
        ImageStore(
            names=[rows[i][side].name for i in index.kept],
            bad=[(Path(path), why) for path, why in index.bad],
            notes=told,
            cached_bytes=index.nbytes() if pixels else 0,
            image=pixels[side].__getitem__ if pixels else _decoder(rows, index, side, decoding),
            form=decoding.formats[side],
            labels=[rows[i][side].label for i in index.kept],
            packed=index.packed,
        )
        for side in range(len(index.types))
    ]


def _many_stores(many: Many) -> list[ImageStore]:
    bad = many.lost.told()
    return [
        ImageStore(
            names=Each(many.rows, side, lambda ref: ref.name),
            bad=bad,
            notes=many.notes,
            cached_bytes=many.cached_bytes,
            image=partial(many.image, side),
            form=form,
            labels=Each(many.rows, side, lambda ref: ref.label),
            many=many,
        )
        for side, form in enumerate(many.decoding.formats)
    ]


def _check_bad(index: Index, rows: Sequence[Row], max_bad: float) -> None:
    lost = len(rows) - len(index.kept)
    if lost > max_bad * len(rows) or lost == len(rows):
        path, reason = index.bad[0]
        raise UserError(
            f"{lost} of {len(rows)} images cannot be read, more than {setting('data.max_bad', max_bad)} allows; "
            f"the first is {path}: {reason}"
        )


def _decoder(rows: Sequence[Row], index: Index, side: int, decoding: Decoding) -> Callable[[int], NDArray[Any]]:
    form, mask = decoding.formats[side], decoding.is_mask(side)

    def image(i: int) -> NDArray[Any]:
        found = decode(rows[index.kept[i]][side], form, lambda *_: index.size(i), mask=mask)
        return as_type(found.pixels, index.types[side])

    return image
