"""The images of a large set, of which training begins before they have all been read.

Each is decoded when it is asked for. Where all of them fit the cache, a thread fills it meanwhile. What cannot be read
is found when it is met: the next image then stands in for it, every time, so that batches are functions of their step.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from instar.core.errors import Message, UserError, setting
from instar.core.evenly import evenly
from instar.core.formats import DomainFormat
from instar.core.reading import UnreadableImage, summed
from instar.data import cache
from instar.data.cache import Index
from instar.data.decoding import Decoded, Decoding, Stopped, as_type, build, decode_row, packed_share
from instar.data.mapped import Mapped
from instar.data.refs import ImageRef, Row

MANY = 20_000
"""Rows from which on a set is not read as a whole before the first step."""
PROBED = 256
"""Rows that are decoded before it, spread evenly over all."""
_RECENT = 64
"""Rows whose images are kept, for what asks for them side by side."""
_SURE = 4.0
"""Standard deviations by which the share of unreadable rows among the probed is above what is allowed."""
_TICK = 2.0
"""Seconds within which a file system may not tell two changes of a file apart: what is changed after them has another
name of its cache."""
_POLL = 5.0
"""Seconds after which a process looks again for the cache that another one makes."""

ValueT = TypeVar("ValueT", covariant=True)  # noqa: PLC0105


class LostImage(UnreadableImage):
    """An image that cannot be read, of a set in which another stands in for it from now on."""


class Each(Sequence[ValueT], Generic[ValueT]):
    """What each image of one side of rows has, found when it is asked for."""

    def __init__(self, rows: Sequence[Row], side: int, find: Callable[[ImageRef], ValueT]) -> None:
        self._rows, self._side, self._find = rows, side, find

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, i: int) -> ValueT: ...

    @overload
    def __getitem__(self, i: slice) -> list[ValueT]: ...

    def __getitem__(self, i: int | slice) -> ValueT | list[ValueT]:
        if isinstance(i, slice):
            return [self._find(row[self._side]) for row in self._rows[i]]
        return self._find(self._rows[i][self._side])


class Lost:
    """Rows that cannot be read, as far as they have been met. Threads may share it."""

    def __init__(self, count: int, max_bad: float) -> None:
        """Know how many rows there are, and which share of them may be lost."""
        self._count, self._max_bad = count, max_bad
        self._rows: dict[int, tuple[Path, str]] = {}
        self._told = 0
        self._lock = threading.Lock()

    def add(self, row: int, error: UnreadableImage) -> None:
        """Take a row in.

        Raises:
            UserError: too many are lost.
        """
        with self._lock:
            self._rows.setdefault(row, (Path(str(error.path)), error.reason))
            lost = len(self._rows)
        if lost > self._max_bad * self._count or lost == self._count:
            raise self.too_many(lost, self._count)

    def too_many(self, lost: int, count: int) -> UserError:
        """Return the error for a share of lost rows that is not allowed."""
        path, reason = next(iter(self._rows.values()))
        return UserError(
            f"{lost} of {count} images cannot be read, more than {setting('data.max_bad', self._max_bad)} allows; "
            f"the first is {path}: {reason}"
        )

    def check_probed(self, count: int) -> None:
        """Refuse a set of which clearly too many of `count` probed rows are lost."""
        lost, allowed = len(self._rows), self._max_bad * count
        if lost == count or lost > allowed + _SURE * (allowed * (1 - self._max_bad)) ** 0.5 + 1:
            raise self.too_many(lost, count)

    def next_to(self, row: int) -> int:
        """Return a row, or the next one after it that is not lost; after the last comes the first."""
        while row in self._rows:
            row = (row + 1) % self._count
        return row

    def told(self) -> list[tuple[Path, str]]:
        """Return the files met since this was asked the last time, with the reasons."""
        with self._lock:
            found = list(self._rows.values())[self._told :]
            self._told += len(found)
        return found


class _Cached:
    """A cache whose pixels are compared with their checksums when they are first read."""

    def __init__(self, index: Index, sides: Sequence[Mapped], count: int) -> None:
        self.index, self._sides = index, sides
        self._slots = np.full(count, -1, np.int64)
        self._slots[np.asarray(index.kept)] = np.arange(len(index.kept))
        self._verified = np.zeros((len(sides), len(index.kept)), bool)

    def image(self, side: int, row: int) -> NDArray[Any] | None:
        """Return an image; None if it is not there, or not as it was written."""
        slot = int(self._slots[row])
        if slot < 0:
            return None
        if not self._verified[side, slot]:
            if cache.checksum(self._sides[side].stored(slot)) != self.index.checksums[side][slot]:
                return None
            self._verified[side, slot] = True
        return self._sides[side][slot]


class Many:
    """Rows of images by number.

    Attributes:
        rows: of files.
        decoding: how.
        lost: those that cannot be read, as far as they have been met.
        notes: what the user should know, a line each.
    """

    def __init__(self, rows: Sequence[Row], decoding: Decoding) -> None:
        """Find the cache, or look at some rows and begin to make it if there is room.

        Raises:
            UserError: too many of those rows cannot be read, or of all where that is known.
        """
        self.rows, self.decoding = rows, decoding
        self.lost = Lost(len(rows), decoding.max_bad)
        # Of parts of it, not of itself: what asks for it no longer must not be held by a circle.
        self._recent = lru_cache(_RECENT)(partial(_decode, rows, decoding, self.lost))
        self._cached: _Cached | None = None
        self._failed: UserError | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._expected = 0
        name = cache.key_by_times(rows, decoding.sizing, decoding.formats)
        self.notes = self._of_cache() if self.take(name) else self._begin(name)
        if self._failed:
            raise self._failed

    @property
    def cached_bytes(self) -> int:
        """Size of the cache, 0 while there is none."""
        return self._cached.index.nbytes() if self._cached else 0

    @property
    def is_decoded(self) -> bool:
        """Whether pixels are there as they are, neither to be decoded nor unpacked."""
        return self._cached is not None and not self._cached.index.packed

    @property
    def reserved_bytes(self) -> int:
        """Size of the cache that there is or will be."""
        return self.cached_bytes or (self._expected if self._thread else 0)

    def image(self, side: int, i: int) -> NDArray[Any]:
        """Return the pixels (H, W, C) of an image.

        Raises:
            LostImage: a file of its row cannot be read; `lost` knows it now.
            UserError: it is one too many.
        """
        if self._failed:
            raise self._failed
        pixels = self._cached.image(side, i) if self._cached else None
        return self._recent(i)[side] if pixels is None else pixels

    def settle(self) -> None:
        """Wait until the cache is made."""
        if self._thread:
            self._thread.join()

    def _probe(self) -> tuple[int, int, list[tuple[str, tuple[str, ...]]]]:
        """Decode some rows. Return the bytes of all rows that follow from theirs, packed too, and what files lack."""
        chosen = evenly(range(len(self.rows)), PROBED)

        def look(i: int) -> list[Decoded] | UnreadableImage:
            try:
                return decode_row(self.rows[i], self.decoding)
            except UnreadableImage as error:
                return error

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            looked = dict(zip(chosen, pool.map(look, chosen), strict=True))
        for i, one in looked.items():
            if isinstance(one, UnreadableImage):
                self.lost.add(i, one)
        self.lost.check_probed(len(chosen))
        found = {i: one for i, one in looked.items() if isinstance(one, list)}
        raw = packed = 0
        for side, form in enumerate(self.decoding.formats):
            typed = [_typed(one[side].pixels, form) for one in found.values()]
            widest = max(typed, key=lambda pixels: pixels.itemsize).dtype.name
            nbytes = sum(pixels.size for pixels in typed) * np.dtype(widest).itemsize
            raw, packed = raw + nbytes, packed + round(nbytes * packed_share(typed, widest))
        said = [
            (ref.name, one.notes) for i, images in found.items() for ref, one in zip(self.rows[i], images, strict=True)
        ]
        return raw * len(self.rows) // len(found), packed * len(self.rows) // len(found), said

    def _of_cache(self) -> list[Message]:
        """Return what files of the cache lack."""
        if not self._cached:
            return []
        index = self._cached.index
        words = summed((self.rows[i][side].name, said) for i, side, said in index.notes)
        return [*self.decoding.told_packed(index), *map(Message, words)]

    def _begin(self, name: str) -> list[Message]:
        """Look at some rows, and fill the cache if all fit. Return what the user should know."""
        raw, packed, said = self._probe()
        self._expected = raw if self.decoding.fits(raw) else packed
        words = f"{len(self.rows)} images are read while they are trained on"
        if self.decoding.fits(self._expected):
            given = (weakref.ref(self), name, self.rows, self.decoding, self._stop)
            self._thread = threading.Thread(target=_fill, args=given, name="instar-cache")
            self._thread.start()
            weakref.finalize(self, self._stop.set)
            words = f"{words}, and decoded into the cache meanwhile"
        else:
            words = f"{words}; {self.decoding.too_large(raw)}: they are decoded each time, in threads"
        return [Message(words), *map(Message, summed(said))]

    def take(self, name: str) -> bool:
        """Take the images of a cache, if it is there."""
        index, sides = cache.load(name, verify=False) or (None, None)
        if index is None or sides is None:
            return False
        lost = np.setdiff1d(np.arange(len(self.rows)), np.asarray(index.kept))
        try:
            for row, (path, reason) in zip(lost.tolist(), index.bad, strict=True):
                self.lost.add(row, UnreadableImage(Path(path), reason))
        except UserError as error:
            self._failed = error
        self._cached = _Cached(index, sides, len(self.rows))
        return True


def _decode(rows: Sequence[Row], decoding: Decoding, lost: Lost, i: int) -> list[NDArray[Any]]:
    try:
        found = decode_row(rows[i], decoding)
    except UnreadableImage as error:
        lost.add(i, error)
        raise LostImage(error.path, error.reason) from error
    return [_typed(one.pixels, form) for one, form in zip(found, decoding.formats, strict=True)]


def _typed(pixels: NDArray[Any], form: DomainFormat) -> NDArray[Any]:
    """Return pixels in the type of their domain; plain ones may be of 8 or 16 bits, whatever the others are."""
    if form.plain and pixels.dtype == np.uint8:
        return pixels
    return as_type(pixels, form.dtype or "uint16")


def _fill(asking: weakref.ref[Many], name: str, rows: Sequence[Row], decoding: Decoding, stop: threading.Event) -> None:
    """Make the cache, or wait for the process that does, until nobody asks for it any more or the program ends."""

    def stopped(seconds: float = 0) -> bool:
        return stop.wait(seconds) or not threading.main_thread().is_alive()

    def taken() -> bool:
        many = asking()
        return many is not None and many.take(name)

    while not decoding.fills_cache:
        if stopped(_POLL) or taken():
            return
    if stopped(_TICK):
        return
    try:
        build(rows, decoding, name, threads=max(1, (os.cpu_count() or 1) - 1), stop=stopped)
    except Stopped:
        return
    except RuntimeError:  # no pool takes work while the program ends
        if not stopped():
            raise
        return
    taken()
