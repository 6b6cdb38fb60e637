"""The images of a domain by number: decoded, resized, and in memory-mapped files where there is room."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from instar.core.errors import Message, UserError, setting
from instar.core.events import Listener, Worked, ignore
from instar.core.images import Array, resampling, resize, to_array
from instar.core.reading import UnreadableImage, notes, summed
from instar.data import cache
from instar.data.cache import Index
from instar.data.refs import ImageRef, Row

_CHUNK = 64
MAX_FITTED = 2**26
"""Most pixels to which an image is enlarged."""


@dataclass(frozen=True)
class Decoding:
    """How images are decoded, and where to."""

    short_side: int
    """Pixels of the shorter side after resizing, up or down."""
    channels: int
    """1 or 3."""
    cache_gb: float = 8.0
    """Largest size of all caches together."""
    taken: int = 0
    """Bytes of it that this run's other stores already use."""
    max_bad: float = 0.05
    """Share of unreadable files above which opening fails."""


@dataclass(frozen=True)
class ImageStore:
    """Images (H, W, C) of one domain, all uint16 if one of its files is 16 bit, else all uint8."""

    names: list[str]
    bad: list[tuple[Path, str]]
    """Files left out because they cannot be read, with the reason."""
    notes: list[Message]
    """What the user should know, a line each."""
    cached_bytes: int
    """Size of the memory-mapped file, 0 if images are decoded each time."""
    image: Callable[[int], Array]
    labels: list[str | None] = field(default_factory=list)
    """The images' classes, where they have any."""

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> Array:
        return self.image(i)


class Decoded(NamedTuple):
    """Pixels (H, W, C), and what of the file they lack, in words."""

    pixels: Array
    notes: tuple[str, ...]


def decode(ref: ImageRef, channels: int, fit: Callable[[int, int], tuple[int, int]]) -> Decoded:
    """Return the pixels of `ref`, resized from (height, width) to `fit(height, width)`.

    Raises:
        UnreadableImage: the file is broken, or the image would become too large.
    """
    try:
        with ref.decoded() as image:
            array = to_array(image, channels)
            height, width = fit(*array.shape[:2])
            _check_fitted(ref, array.shape[:2], (height, width))
            return Decoded(resize(array, width, height, resampling(image)), notes(image))
    except MemoryError as error:
        raise UnreadableImage(ref.path, "out of memory") from error


def _check_fitted(ref: ImageRef, size: tuple[int, ...], resized: tuple[int, int]) -> None:
    """Refuse what a thin strip becomes when its short side is enlarged."""
    if resized[0] * resized[1] > max(MAX_FITTED, size[0] * size[1]):
        becomes = f"{resized[1]} x {resized[0]} with the short side of the training"
        raise UnreadableImage(ref.path, f"{size[1]} x {size[0]} pixels, which would be {becomes}: cut it into parts")


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
    name = cache.key(rows, decoding.short_side, decoding.channels)
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
            image=pixels[side].__getitem__ if pixels else _decoder(rows, index, side),
            labels=[rows[i][side].label for i in index.kept],
        )
        for side in range(len(index.wide))
    ]


def _check_bad(index: Index, rows: Sequence[Row], max_bad: float) -> None:
    lost = len(rows) - len(index.kept)
    if lost > max_bad * len(rows) or lost == len(rows):
        path, reason = index.bad[0]
        raise UserError(
            f"{lost} of {len(rows)} images cannot be read, more than {setting('data.max_bad', max_bad)} allows; "
            f"the first is {path}: {reason}"
        )


def _decoder(rows: Sequence[Row], index: Index, side: int) -> Callable[[int], Array]:
    def image(i: int) -> Array:
        height, width = index.sizes[i]
        found = decode(rows[index.kept[i]][side], index.channels, lambda *_: (height, width))
        return _as_type(found.pixels, index.wide[side])

    return image


def _as_type(array: Array, wide: bool) -> Array:
    """Bring 8-bit images to the range of 16-bit ones where a domain has both."""
    return array.astype(np.uint16) * np.uint16(257) if wide and array.dtype == np.uint8 else array


def _fits(nbytes: int, decoding: Decoding) -> bool:
    return decoding.taken + nbytes <= decoding.cache_gb * 1e9


def _too_large(nbytes: int, decoding: Decoding) -> str:
    limit = setting("data.cache_gb", decoding.cache_gb)
    return f"the decoded images need {nbytes / 1e9:.2f} GB, more than {limit} leaves"


def _build(rows: Sequence[Row], decoding: Decoding, name: str, on_event: Listener) -> tuple[Index, str]:
    """Decode all files, into the cache if possible. Return what was found, and why nothing was cached."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        expected, wide = _forecast(pool, rows, decoding)
        fits = _fits(expected, decoding)
        index = Index(decoding.channels, wide, offsets=[[] for _ in wide], checksums=[[] for _ in wide], cached=fits)
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
                        pixels = _as_type(one.pixels, wide[side])
                        index.offsets[side].append(writer.add(pixels))
                        index.checksums[side].append(cache.checksum(pixels))
            if index.kept:
                writer.finish(index)
    if not fits:
        return index, _too_large(expected, decoding)
    return index, f"decoded images cannot be kept in {cache.home()} ({writer.failure})"


def _forecast(pool: ThreadPoolExecutor, rows: Sequence[Row], decoding: Decoding) -> tuple[int, list[bool]]:
    """Return the bytes of all decoded images, and for each side whether it has 16-bit files, from the headers."""

    def probe(row: Row) -> tuple[int, list[bool]]:
        try:
            headers = [ref.probe() for ref in row]
            size = headers[0][1], headers[0][0]
            height, width = fitted(*size, decoding.short_side)
            _check_fitted(row[0], size, (height, width))
        except UnreadableImage:  # counted when it is decoded
            return 0, [False] * len(row)
        return height * width, [is_wide for _, _, is_wide in headers]

    probed = list(pool.map(probe, rows))
    wide = [any(types[side] for _, types in probed) for side in range(len(rows[0]))]
    pixels = sum(area for area, _ in probed)
    return pixels * decoding.channels * sum(2 if is_wide else 1 for is_wide in wide), wide


def _decoded(
    pool: ThreadPoolExecutor, rows: Sequence[Row], decoding: Decoding, on_event: Listener
) -> Iterator[tuple[int, list[Decoded] | UnreadableImage]]:
    """Yield every row's number and images in order, the partners in the size of the first."""

    def work(row: Row) -> list[Decoded] | UnreadableImage:
        try:
            first = decode(row[0], decoding.channels, lambda h, w: fitted(h, w, decoding.short_side))
            size = first.pixels.shape[0], first.pixels.shape[1]
            return [first, *(decode(ref, decoding.channels, lambda *_: size) for ref in row[1:])]
        except UnreadableImage as error:
            return error

    on_event(Worked("decoding images", 0, len(rows)))
    # In chunks, or a slow disk would let decoded images pile up in memory.
    for start in range(0, len(rows), _CHUNK):
        for i, result in enumerate(pool.map(work, rows[start : start + _CHUNK]), start):
            yield i, result
            on_event(Worked("decoding images", i + 1, len(rows)))
