"""Files of images decoded and resized, one by one, row by row, or all of them into the cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instar.core.errors import Message, UserError, setting
from instar.core.evenly import evenly
from instar.core.events import Listener, Worked, ignore
from instar.core.formats import DomainFormat
from instar.core.images import resampling, resize, to_typed
from instar.core.masks import as_mask, white
from instar.core.reading import UnreadableImage, notes
from instar.core.samples import is_sparse
from instar.data import cache
from instar.data.cache import Index
from instar.data.packing import pack
from instar.data.refs import ImageRef, Row
from instar.data.threads import each_in_threads, in_threads

_PACKED = 16
"""Images that say how much smaller all become when they are packed."""
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
    fills_cache: bool = True
    """Whether this process makes the cache of a large set; others wait for it."""
    native: bool = False
    """Keep the files' own sizes, and enlarge only what is smaller than `short_side`."""

    def is_mask(self, side: int) -> bool:
        """Tell whether a side of the rows is a mask."""
        return side >= len(self.formats) - self.masks

    @property
    def sizing(self) -> object:
        """What a cache's name says of sizes."""
        return ["native", self.short_side] if self.native else self.short_side

    def fits(self, nbytes: int) -> bool:
        """Tell whether a cache of this size may be kept."""
        return self.taken + nbytes <= self.cache_gb * 1e9

    def too_large(self, nbytes: int) -> str:
        """Say why a cache of this size is not kept."""
        limit = setting("data.cache_gb", self.cache_gb)
        return f"the decoded images need {nbytes / 1e9:.2f} GB, more than {limit} leaves"

    def told_packed(self, index: Index) -> list[Message]:
        """Say it if a cache holds images packed."""
        if not index.packed:
            return []
        raw = sum(height * width for height, width in zip(index.heights, index.widths, strict=True))
        reason = self.too_large(raw * sum(index.pixel_bytes))
        return [Message(f"{reason}: they are packed without loss into {index.nbytes() / 1e9:.2f} GB, which is slower")]

    def fitted(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of an image of this size after resizing."""
        if self.native and min(height, width) >= self.short_side:
            return height, width
        return fitted(height, width, self.short_side)


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
        with ref.decoded() as found:
            image = as_mask(found) if mask else found
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


def decode_row(row: Row, decoding: Decoding) -> list[Decoded]:
    """Return the images of a row, the partners in the size of the first.

    Raises:
        UnreadableImage: one of them cannot be read, or is no mask of the others.
    """
    found = [decode(row[0], decoding.formats[0], decoding.fitted)]
    size = found[0].pixels.shape[0], found[0].pixels.shape[1]
    for side, ref in enumerate(row[1:], 1):
        mask = decoding.is_mask(side)
        found.append(decode(ref, decoding.formats[side], lambda *_: size, mask=mask))
        if mask and found[side].size not in [one.size for one in found[: len(row) - decoding.masks]]:
            raise UnreadableImage(ref.path, _other_size(found[side], row[0], found[0]))
    return found


def as_type(array: NDArray[Any], kind: str) -> NDArray[Any]:
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


class Stopped(Exception):  # noqa: N818  (no error)
    """A cache is not wanted any more."""


def build(
    rows: Sequence[Row],
    decoding: Decoding,
    name: str,
    on_event: Listener = ignore,
    *,
    threads: int | None = None,
    stop: Callable[[], bool] | None = None,
) -> tuple[Index, str]:
    """Decode all files, into the cache if possible. Return what was found, and why nothing was cached.

    Args:
        rows: of images.
        decoding: how, and where to.
        name: of the cache.
        on_event: told how many images are decoded.
        threads: that decode.
        stop: asked now and then whether to stop; then, and where nothing can be written, nothing more is decoded.

    Raises:
        Stopped: because of that.
    """
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        index, expected = _forecast(pool, rows, decoding)
        raw = decoding.fits(expected)
        index.cached = decoding.fits(index.least)
        index.packed = index.cached and not raw
        most = round(decoding.cache_gb * 1e9)
        with cache.Writer(name, most, index.least if index.cached else 0) as writer:
            for i, result in _ready(pool, rows, decoding, index, on_event):
                if stop and (stop() or writer.failure or not index.cached):
                    raise Stopped
                if isinstance(result, UnreadableImage):
                    index.bad.append((str(result.path), result.reason))
                    continue
                index.add(i, *result.size)
                index.notes += [(i, side, list(said)) for side, said in enumerate(result.notes) if said]
                if index.cached:
                    _write(result.stored, index, writer)
                if index.packed and not decoding.fits(writer.position):  # it was more than the first ones said
                    index.forget_images()
                    index.least = expected
                    writer.drop()
            if index.kept:
                writer.finish(index)
    if not index.cached:
        return index, decoding.too_large(expected)
    return index, f"decoded images cannot be kept in {cache.home()} ({writer.failure})"


def _write(stored: Sequence[NDArray[Any]], index: Index, writer: cache.Writer) -> None:
    for side, one in enumerate(stored):
        index.offsets[side].append(writer.add(one))
        index.lengths[side].append(one.nbytes)
        index.checksums[side].append(cache.checksum(one))


def packed_share(pixels: Sequence[NDArray[Any]], kind: str) -> float:
    """Return how large some images of a type are when they are packed, of what they are."""
    some = [as_type(one, kind) for one in evenly(pixels, _PACKED)]
    return sum(len(pack(one)) for one in some) / sum(one.nbytes for one in some)


def _forecast(pool: ThreadPoolExecutor, rows: Sequence[Row], decoding: Decoding) -> tuple[Index, int]:
    """Return an index with the type of each side, of plain ones by the headers, and the bytes of all decoded images.

    The index says how many bytes a cache needs, packed if they do not fit as they are.
    """

    def probe(row: Row) -> tuple[int, tuple[bool, ...]]:
        try:
            headers = [ref.probe() for ref in row]
            size = headers[0].height, headers[0].width
            height, width = decoding.fitted(*size)
            _check_fitted(row[0], size, (height, width))
        except UnreadableImage:  # counted when it is decoded
            return 0, (False,) * len(row)
        return height * width, tuple(header.wide for header in headers)

    probed = in_threads(probe, rows, pool)
    wide = [any(types[side] for _, types in probed) for side in range(len(rows[0]))]
    types = [
        form.dtype or ("uint16" if is_wide else "uint8") for form, is_wide in zip(decoding.formats, wide, strict=True)
    ]
    index = Index([form.channels for form in decoding.formats], types)
    index.forget_images()
    expected = sum(area for area, _ in probed) * sum(index.pixel_bytes)
    index.least = expected if decoding.fits(expected) else _packed_bytes(rows, decoding, index, expected)
    return index, expected


def _packed_bytes(rows: Sequence[Row], decoding: Decoding, index: Index, expected: int) -> int:
    """Return what all images take when they are packed, by some of them."""
    sides: list[list[NDArray[Any]]] = [[] for _ in index.types]
    for row in evenly(rows, _PACKED):
        with suppress(UnreadableImage):
            for side, one in enumerate(decode_row(row, decoding)):
                sides[side].append(one.pixels)
    if not sides[0]:
        return expected
    shares = [packed_share(one, kind) for one, kind in zip(sides, index.types, strict=True)]
    weighed = sum(share * nbytes for share, nbytes in zip(shares, index.pixel_bytes, strict=True))
    return round(expected * weighed / sum(index.pixel_bytes))


class _Ready(NamedTuple):
    """A row as it is written."""

    size: tuple[int, int]
    """Height and width."""
    stored: list[NDArray[Any]]
    notes: list[tuple[str, ...]]


def _ready(
    pool: ThreadPoolExecutor, rows: Sequence[Row], decoding: Decoding, index: Index, on_event: Listener
) -> Iterator[tuple[int, _Ready | UnreadableImage]]:
    """Yield every row's number and images in order, in the types of the index, packed if it is to be."""

    def work(row: Row) -> _Ready | UnreadableImage:
        try:
            found = decode_row(row, decoding)
        except UnreadableImage as error:
            return error
        stored = [as_type(one.pixels, kind) for one, kind in zip(found, index.types, strict=True)]
        if index.packed:
            stored = [np.frombuffer(pack(pixels), np.uint8) for pixels in stored]
        height, width = found[0].pixels.shape[:2]
        return _Ready((height, width), stored, [one.notes for one in found])

    on_event(Worked("decoding images", 0, len(rows)))
    for i, result in enumerate(each_in_threads(work, rows, pool)):
        yield i, result
        on_event(Worked("decoding images", i + 1, len(rows)))
