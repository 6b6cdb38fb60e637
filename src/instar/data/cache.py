"""Training images decoded once, into a file that every process maps into memory."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import time
import zlib
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import platformdirs
from numpy.typing import NDArray
from typing_extensions import Self

from instar.core.files import read_own
from instar.core.formats import DomainFormat
from instar.core.member import File, Member
from instar.core.settings import to_dict
from instar.core.stamps import stamp
from instar.data.files import Files, Singles, stats_of
from instar.data.mapped import Mapped
from instar.data.packing import unpack
from instar.data.refs import ImageRef, Row
from instar.data.threads import in_threads

_VERSION = 5
_TEMPORARY = ".part-"
_ALIGN = 16
_STALE_SECONDS = 86_400
_TYPE = "q"
"""Of the arrays of an index: integers of 64 bits."""
_THREADS = min(8, os.cpu_count() or 1)


@dataclass
class Index:
    """What a cache holds. Side 0 are the images, or the rows' first ones; the other sides are their partners.

    Numbers of images are in arrays: of a million, each object counts.
    """

    channels: list[int]
    """Of a side."""
    types: list[str]
    """Of the values of a side, by NumPy's name."""
    kept: array[int] = field(default_factory=lambda: array("q"))
    """Rows whose files can be read."""
    heights: array[int] = field(default_factory=lambda: array("q"))
    widths: array[int] = field(default_factory=lambda: array("q"))
    """Of each kept row, the same on all sides."""
    offsets: list[array[int]] = field(default_factory=list)
    """By side: where in the file of pixels an image begins."""
    lengths: list[array[int]] = field(default_factory=list)
    """By side: how many bytes of it there are."""
    checksums: list[array[int]] = field(default_factory=list)
    """By side: `checksum` of these bytes."""
    packed: bool = False
    """Whether they are to be unpacked, see `packing`."""
    bad: list[tuple[str, str]] = field(default_factory=list)
    """Files that cannot be read, and why."""
    notes: list[tuple[int, int, list[str]]] = field(default_factory=list)
    """Row, side and words of images that lack something of their files."""
    cached: bool = True
    """False if this only remembers which files are good."""
    least: int = 0
    """Bytes that a cache of all images needs, packed or not."""

    def nbytes(self) -> int:
        """Return the size of all images in bytes, packed where they are."""
        if self.packed:
            return sum(sum(lengths) for lengths in self.lengths)
        pixels = int((np.asarray(self.heights) * np.asarray(self.widths)).sum())
        return pixels * sum(self.pixel_bytes)

    def add(self, row: int, height: int, width: int) -> None:
        """Take in a row that can be read."""
        self.kept.append(row)
        self.heights.append(height)
        self.widths.append(width)

    def forget_images(self) -> None:
        """Remember from now on only which files are good."""
        self.cached = self.packed = False
        self.offsets, self.lengths, self.checksums = ([array("q") for _ in self.types] for _ in range(3))

    def size(self, i: int) -> tuple[int, int]:
        """Return height and width of a kept row."""
        return self.heights[i], self.widths[i]

    @property
    def pixel_bytes(self) -> list[int]:
        """Bytes of a pixel, by side."""
        return [count * np.dtype(kind).itemsize for count, kind in zip(self.channels, self.types, strict=True)]


def home() -> Path:
    """Return the folder of all caches: $INSTAR_CACHE, or the user's cache folder."""
    return Path(os.environ.get("INSTAR_CACHE") or platformdirs.user_cache_dir("instar"))


def key(rows: Sequence[Row], sizing: object, formats: Sequence[DomainFormat]) -> str:
    """Return a name that changes with the settings and with any file, as far as `stamp` tells.

    Args:
        rows: of images.
        sizing: short side to which they are resized, or what else says how; something that JSON holds.
        formats: of the images of each side of a row.
    """
    paths = list(dict.fromkeys(ref.path for row in rows for ref in row))
    real_folder = lru_cache(maxsize=1024)(os.path.realpath)

    def real(path: File) -> str:
        if isinstance(path, Member) or os.path.islink(path):  # noqa: PTH114  (a path that is made counts, of a million)
            return os.path.realpath(str(path))
        folder, name = os.path.split(path)
        return os.path.join(real_folder(folder), name)  # noqa: PTH118

    files = {path: (real(path), found) for path, found in zip(paths, in_threads(stamp, paths, _THREADS), strict=True)}

    def describe(ref: ImageRef) -> tuple[object, ...]:
        where, stamp = files[ref.path]
        page = () if ref.page is None else ("page", ref.page)
        return (where, ref.half, *stamp, *(ref.entry or ()), *page)

    described = [[describe(ref) for ref in row] for row in rows]
    text = json.dumps([_VERSION, sizing, [to_dict(form) for form in formats], described])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def key_by_times(rows: Sequence[Row], sizing: object, formats: Sequence[DomainFormat]) -> str:
    """Return a name as `key` does, from what the file system says: no file is opened.

    The time of the last change of anything tells where tools that restore the other times wrote a file anew. Where the
    file system has no such time, on Windows, files are opened as `key` does.
    """
    if os.name == "nt":
        return key(rows, sizing, formats)
    head = json.dumps([_VERSION, "times", sizing, [to_dict(form) for form in formats]])
    digest = hashlib.blake2b(head.encode(), digest_size=16)
    if isinstance(rows, Singles) and isinstance(rows.refs, Files):
        digest.update(os.path.realpath(rows.refs.folder).encode("utf-8", "surrogateescape"))
        digest.update("\0".join(rows.refs.inside).encode("utf-8", "surrogateescape"))
        digest.update(rows.refs.stats.tobytes())
        return digest.hexdigest()
    stats = lru_cache(maxsize=1024)(stats_of)
    for row in rows:
        for ref in row:
            path = ref.path
            file, where = (path.container, path.where()) if isinstance(path, Member) else (path, "")
            said = (str(file), where, ref.half, ref.entry, ref.page, stats(str(file)))
            digest.update(repr(said).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def checksum(array: NDArray[Any]) -> int:
    """Return what tells whether pixels are those that were written."""
    return zlib.crc32(np.ascontiguousarray(array).data)


def load(name: str, *, verify: bool = True) -> tuple[Index, list[Mapped] | None] | None:
    """Return the index of a cache and its images, a sequence per side; None if there is no whole cache.

    The images are None if the cache only remembers which files are good.

    Args:
        name: its key.
        verify: whether to compare all pixels with their checksums now; else who reads them does.
    """
    folder = home() / name
    try:
        with read_own(folder / "index.json") as file:
            index = _parsed(file.read().decode("utf-8"))
        pixels = _map(folder / "pixels.bin", index, verify=verify) if index.cached else None
        with suppress(OSError):  # somebody else's folder: its age is not ours to set
            os.utime(folder)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return index, pixels


def _text(index: Index) -> str:
    content = json.dumps(vars(index), default=_packed)
    return json.dumps({"digest": _digest(content), "index": content})


def _packed(numbers: array[int]) -> dict[str, str]:
    return {numbers.typecode: base64.b64encode(numbers.tobytes()).decode()}


def _parsed(text: str) -> Index:
    found = json.loads(text)
    if found["digest"] != _digest(found["index"]):
        raise ValueError("an index that was changed")
    return Index(**json.loads(found["index"], object_hook=_unpacked))


def _unpacked(found: dict[str, Any]) -> dict[str, Any] | array[int]:
    if set(found) != {_TYPE}:
        return found
    numbers = array(_TYPE)
    numbers.frombytes(base64.b64decode(found[_TYPE]))
    return numbers


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _map(path: Path, index: Index, *, verify: bool) -> list[Mapped]:
    file = read_own(path)
    flat: NDArray[np.uint8] = np.asarray(np.memmap(file, dtype=np.uint8, mode="r"))
    if len(flat) < index.nbytes():
        raise ValueError(f"{path} has {len(flat)} bytes instead of {index.nbytes()}")
    sides = [
        Mapped(partial(_stored, flat, index, side), partial(_pixels, index, side), file, len(flat), path)
        for side in range(len(index.types))
    ]
    if verify:
        _check(sides, index, path)
    return sides


def _stored(flat: NDArray[np.uint8], index: Index, side: int, i: int) -> NDArray[np.uint8]:
    offset = index.offsets[side][i]
    return flat[offset : offset + index.lengths[side][i]]


def _pixels(index: Index, side: int, i: int, stored: NDArray[np.uint8]) -> NDArray[Any]:
    shape, kind = (*index.size(i), index.channels[side]), np.dtype(index.types[side])
    return unpack(stored.data, shape, kind) if index.packed else stored.view(kind).reshape(shape)


def _check(sides: list[Mapped], index: Index, path: Path) -> None:
    """Compare all images with their checksums: a disk, or whoever writes into the folder, may have changed them."""
    for images, expected in zip(sides, index.checksums, strict=True):
        # By number: each image is asked for as it is read, when the file is looked at.
        found = in_threads(partial(_checksum_of, images), range(len(expected)), _THREADS)
        if found != list(expected):
            raise ValueError(f"{path} holds other pixels than were written")


def _checksum_of(images: Mapped, number: int) -> int:
    return checksum(images.stored(number))


class Writer:
    """A cache in the making. Nothing of it can be found before `finish`, and nothing is left if that is not reached.

    It never raises OSError: without room or the right to write, `failure` says so and nothing is written.
    """

    def __init__(self, name: str, most_bytes: int, expected: int) -> None:
        self.failure = ""
        self._final = home() / name
        self._part = home() / f"{_TEMPORARY}{name}-{os.getpid()}"
        self._most_bytes = most_bytes
        self._position = 0
        self._file: BinaryIO | None = None
        try:
            home().mkdir(parents=True, exist_ok=True)
            _remove_stale()
            if shutil.disk_usage(home()).free < expected:
                self.failure = "the disk is full"
                return
            shutil.rmtree(self._part, ignore_errors=True)
            self._part.mkdir()
            self._file = (self._part / "pixels.bin").open("wb")
        except OSError as error:
            self._fail(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            with suppress(OSError):  # closing flushes, which fails again on a full disk
                self._file.close()
        shutil.rmtree(self._part, ignore_errors=True)

    def add(self, array: NDArray[Any]) -> int:
        """Append the bytes of an image and return their offset."""
        offset = self._position
        if self._file and not self.failure:
            try:
                written = self._file.write(np.ascontiguousarray(array).data)
                self._position += written + self._file.write(bytes(-written % _ALIGN))
            except OSError as error:
                self._fail(error)
        return offset

    @property
    def position(self) -> int:
        """Bytes written."""
        return self._position

    def drop(self) -> None:
        """Give the room for images back: there is not enough of it."""
        self._position = 0
        if self._file and not self.failure:
            try:
                self._file.truncate(0)
                self._file.seek(0)
            except OSError as error:
                self._fail(error)

    def finish(self, index: Index) -> None:
        """Put the cache in its place, and remove the least recently used ones above the limit."""
        if self._file is None or self.failure:
            return
        try:
            self._file.close()
            (self._part / "index.json").write_text(_text(index), encoding="utf-8")
            self._publish(index)
            _trim(self._most_bytes)
        except OSError as error:
            self._fail(error)

    def _publish(self, index: Index) -> None:
        try:
            self._part.rename(self._final)
        except OSError:
            # A faster process made the same and may be using it. Only what is broken or lacks the pixels is replaced.
            there = load(self._final.name)
            if there is None or (index.cached and there[1] is None):
                _discard(self._final)
                self._part.rename(self._final)

    def _fail(self, error: OSError) -> None:
        self.failure = error.strerror or str(error)


def _trim(most_bytes: int) -> None:
    by_age = []
    for folder in home().iterdir():
        with suppress(OSError):  # removed by another process meanwhile
            if (folder / "index.json").exists() and not folder.name.startswith(_TEMPORARY):
                by_age.append((folder.stat().st_mtime_ns, _bytes(folder), folder))
    total = sum(size for _, size, _ in by_age)
    for _, size, folder in sorted(by_age)[:-1]:  # never the newest: it is about to be used
        if total <= most_bytes:
            return
        _discard(folder)
        total -= size


def _discard(folder: Path) -> None:
    """Remove a cache, so that no process finds half of it. Processes that have it mapped keep it."""
    grave = home() / f"{_TEMPORARY}{folder.name}-{os.getpid()}-old"
    with suppress(OSError):  # in use on Windows, or already gone
        folder.rename(grave)
    shutil.rmtree(grave, ignore_errors=True)


def _remove_stale() -> None:
    """Remove what killed processes left."""
    for folder in home().glob(f"{_TEMPORARY}*"):
        with suppress(OSError):  # removed by another process meanwhile
            if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
