"""The images of a domain by number: decoded, resized, and in memory-mapped files where there is room."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instar.core.errors import Message, UserError, setting
from instar.core.events import Listener, Worked, ignore
from instar.core.formats import DomainFormat
from instar.core.images import resampling, resize, to_typed
from instar.core.masks import white
from instar.core.reading import UnreadableImage, notes, summed
from instar.core.samples import is_sparse
from instar.data import cache
from instar.data.cache import Index
from instar.data.large import LargeImage, large_images
from instar.data.refs import ImageRef, Row

_CHUNK = 64
_LOOKED_AT = 1024
MAX_FITTED = 2**26
"""Most pixels to which an image is enlarged."""


@dataclass(frozen=True)
class Decoding:
    """How images are decoded, and where to."""

    short_side: int
    """Pixels of the shorter side after resizing, up or down."""
    formats: tuple[DomainFormat, ...]
    """Of the images of each side of a row."""
    cache_gb: float = 8.0
    """Largest size of all caches together."""
    taken: int = 0
    """Bytes of it that this run's other stores already use."""
    max_bad: float = 0.05
    """Share of unreadable files above which opening fails."""
    masks: int = 0
    """How many of the last sides are masks, which are never mixed when they are resized."""
    native: bool = False
    """Keep the files' own sizes, and enlarge only what is smaller than `short_side`."""

    def is_mask(self, side: int) -> bool:
        """Tell whether a side of the rows is a mask."""
        return side >= len(self.formats) - self.masks

    def fitted(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of an image of this size after resizing."""
        if self.native and min(height, width) >= self.short_side:
            return height, width
        return fitted(height, width, self.short_side)


@dataclass(frozen=True, eq=False)
class ImageStore:
    """Images (H, W, C) of one domain in its type: of a plain one uint16 if one of its files is 16 bit, else uint8."""

    names: list[str]
    bad: list[tuple[Path, str]]
    """Files left out because they cannot be read, with the reason."""
    notes: list[Message]
    """What the user should know, a line each."""
    cached_bytes: int
    """Size of the memory-mapped file, 0 if images are decoded each time."""
    image: Callable[[int], NDArray[Any] | LargeImage]
    form: DomainFormat = field(default_factory=lambda: DomainFormat(channels=3))
    """What their values mean."""
    labels: list[str | None] = field(default_factory=list)
    """The images' classes, where they have any."""
    large: int = 0
    """How many of them, the last ones, are read from their files crop by crop."""

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> NDArray[Any] | LargeImage:
        return self.image(i)

    def looked_at(self, i: int) -> NDArray[Any]:
        """Return the pixels (H, W, C) of an image, of a large one those in the middle."""
        image = self.image(i)
        if not isinstance(image, LargeImage):
            return image
        top, left = max(image.height - _LOOKED_AT, 0) // 2, max(image.width - _LOOKED_AT, 0) // 2
        return image[top : top + _LOOKED_AT, left : left + _LOOKED_AT]


class Decoded(NamedTuple):
    """Pixels (H, W, C), and what of the file they lack, in words."""

    pixels: NDArray[Any]
    notes: tuple[str, ...]
    size: tuple[int, ...]
    """Height and width in the file."""


def decode(
    ref: ImageRef, form: DomainFormat, fit: Callable[[int, int], tuple[int, int]], *, mask: bool = False
) -> Decoded:
    """Return the pixels of `ref`, an image or a mask, resized from (height, width) to `fit(height, width)`.

    Raises:
        UnreadableImage: the file is broken or has other bands, or the image would become too large.
    """
    try:
        with ref.decoded() as image:
            array = to_typed(image, form)
            height, width = fit(*array.shape[:2])
            _check_fitted(ref, array.shape[:2], (height, width))
            ranged = not form.plain and not form.whole_type  # which is told where the range is found
            said = tuple(word for word in notes(image) if not (ranged and is_sparse(word)))
            if mask:
                said = () if white(array).any() else ("a mask without white, so that nothing of the image is seen",)
            resample = Image.Resampling.NEAREST if mask else resampling(image)
            return Decoded(resize(array, width, height, resample), said, array.shape[:2])
    except UnreadableImage:
        raise
    except UserError as error:
        raise UnreadableImage(ref.path, error.message.raw) from error
    except MemoryError as error:
        raise UnreadableImage(ref.path, "out of memory") from error


def _check_fitted(ref: ImageRef, size: tuple[int, ...], resized: tuple[int, int]) -> None:
    """Refuse what a thin strip becomes when its short side is enlarged."""
    if resized[0] * resized[1] > max(MAX_FITTED, size[0] * size[1]):
        becomes = f"{resized[1]} x {resized[0]} with the short side of the training"
        raise UnreadableImage(ref.path, f"{size[1]} x {size[0]} pixels, which would be {becomes}: cut it into parts")


def _other_size(mask: Decoded, ref: ImageRef, image: Decoded) -> str:
    (mask_height, mask_width), (height, width) = mask.size, image.size
    return f"a mask of {mask_width} x {mask_height}, but {ref.path.name} is {width} x {height}"


def fitted(height: int, width: int, short_side: int) -> tuple[int, int]:
    """Return (height, width) scaled so that the shorter one is `short_side`."""
    scale = short_side / min(height, width)
    return max(short_side, round(height * scale)), max(short_side, round(width * scale))


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
    found = _large_rows(rows, decoding) if decoding.native and not decoding.masks else {}
    small = [row for i, row in enumerate(rows) if i not in found]
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
    sizing = ["native", decoding.short_side] if decoding.native else decoding.short_side
    name = cache.key(rows, sizing, decoding.formats)
    found = cache.load(name)
    if found is None or (found[1] is None and _fits(found[0].nbytes(), decoding)):
        index, reason = _build(rows, decoding, name, on_event)
        found = cache.load(name) or (index, None)
    else:
        reason = _too_large(found[0].nbytes(), decoding)
    index, pixels = found
    _check_bad(index, rows, decoding.max_bad)
    words = summed((rows[i][side].name, said) for i, side, said in index.notes)
    told = [Message(f"{reason}: they are decoded each time, which is slower")] if not pixels else []
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
        )
        for side in range(len(index.types))
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
        height, width = index.sizes[i]
        found = decode(rows[index.kept[i]][side], form, lambda *_: (height, width), mask=mask)
        return _as_type(found.pixels, index.types[side])

    return image


def _as_type(array: NDArray[Any], kind: str) -> NDArray[Any]:
    """Bring 8-bit images to the range of 16-bit ones where a plain domain has both."""
    if array.dtype == kind:
        return array
    if array.dtype == np.uint8:
        wide: NDArray[Any] = array.astype(np.uint16) * np.uint16(257)
        return wide
    top = np.iinfo(np.dtype(kind)).max  # deeper than the headers of the others say
    values = (array + 1) / 2 if array.dtype.kind == "f" else array / 65535
    found: NDArray[Any] = np.rint(values * top).astype(kind)
    return found


def _fits(nbytes: int, decoding: Decoding) -> bool:
    return decoding.taken + nbytes <= decoding.cache_gb * 1e9


def _too_large(nbytes: int, decoding: Decoding) -> str:
    limit = setting("data.cache_gb", decoding.cache_gb)
    return f"the decoded images need {nbytes / 1e9:.2f} GB, more than {limit} leaves"


def _build(rows: Sequence[Row], decoding: Decoding, name: str, on_event: Listener) -> tuple[Index, str]:
    """Decode all files, into the cache if possible. Return what was found, and why nothing was cached."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        expected, types = _forecast(pool, rows, decoding)
        fits = _fits(expected, decoding)
        channels = [form.channels for form in decoding.formats]
        index = Index(channels, types, offsets=[[] for _ in types], checksums=[[] for _ in types], cached=fits)
        with cache.Writer(name, round(decoding.cache_gb * 1e9), expected if fits else 0) as writer:
            for i, result in _decoded(pool, rows, decoding, on_event):
                if isinstance(result, UnreadableImage):
                    index.bad.append((str(result.path), result.reason))
                    continue
                index.kept.append(i)
                index.sizes.append((result[0].pixels.shape[0], result[0].pixels.shape[1]))
                index.notes += [(i, side, list(one.notes)) for side, one in enumerate(result) if one.notes]
                if fits:
                    for side, one in enumerate(result):
                        pixels = _as_type(one.pixels, types[side])
                        index.offsets[side].append(writer.add(pixels))
                        index.checksums[side].append(cache.checksum(pixels))
            if index.kept:
                writer.finish(index)
    if not fits:
        return index, _too_large(expected, decoding)
    return index, f"decoded images cannot be kept in {cache.home()} ({writer.failure})"


def _forecast(pool: ThreadPoolExecutor, rows: Sequence[Row], decoding: Decoding) -> tuple[int, list[str]]:
    """Return the bytes of all decoded images, and the type of each side: of plain ones by the headers."""

    def probe(row: Row) -> tuple[int, list[bool]]:
        try:
            headers = [ref.probe() for ref in row]
            size = headers[0].height, headers[0].width
            height, width = decoding.fitted(*size)
            _check_fitted(row[0], size, (height, width))
        except UnreadableImage:  # counted when it is decoded
            return 0, [False] * len(row)
        return height * width, [header.wide for header in headers]

    probed = list(pool.map(probe, rows))
    wide = [any(types[side] for _, types in probed) for side in range(len(rows[0]))]
    types = [
        form.dtype or ("uint16" if is_wide else "uint8") for form, is_wide in zip(decoding.formats, wide, strict=True)
    ]
    index = Index([form.channels for form in decoding.formats], types)
    return sum(area for area, _ in probed) * sum(index.pixel_bytes), types


def _decoded(
    pool: ThreadPoolExecutor, rows: Sequence[Row], decoding: Decoding, on_event: Listener
) -> Iterator[tuple[int, list[Decoded] | UnreadableImage]]:
    """Yield every row's number and images in order, the partners in the size of the first."""

    def work(row: Row) -> list[Decoded] | UnreadableImage:
        try:
            form = decoding.formats[0]
            found = [decode(row[0], form, decoding.fitted)]
            size = found[0].pixels.shape[0], found[0].pixels.shape[1]
            for side, ref in enumerate(row[1:], 1):
                mask = decoding.is_mask(side)
                found.append(decode(ref, decoding.formats[side], lambda *_: size, mask=mask))
                if mask and found[side].size not in [one.size for one in found[: len(row) - decoding.masks]]:
                    raise UnreadableImage(ref.path, _other_size(found[side], row[0], found[0]))
            return found
        except UnreadableImage as error:
            return error

    on_event(Worked("decoding images", 0, len(rows)))
    # In chunks, or a slow disk would let decoded images pile up in memory.
    for start in range(0, len(rows), _CHUNK):
        for i, result in enumerate(pool.map(work, rows[start : start + _CHUNK]), start):
            yield i, result
            on_event(Worked("decoding images", i + 1, len(rows)))
