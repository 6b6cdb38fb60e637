"""Training images decoded once, into a file that every process maps into memory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import zlib
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
from instar.data.mapped import Mapped
from instar.data.refs import ImageRef, Row
from instar.data.threads import in_threads

_VERSION = 3
_TEMPORARY = ".part-"
_ALIGN = 16
_STALE_SECONDS = 86_400
_THREADS = min(8, os.cpu_count() or 1)


@dataclass
class Index:
    """What a cache holds. Side 0 are the images, or the rows' first ones; the other sides are their partners."""

    channels: list[int]
    """Of a side."""
    types: list[str]
    """Of the values of a side, by NumPy's name."""
    kept: list[int] = field(default_factory=list)
    """Rows whose files can be read."""
    sizes: list[tuple[int, int]] = field(default_factory=list)
    """(height, width) of each kept row, the same on all sides."""
    offsets: list[list[int]] = field(default_factory=list)
    """By side: where in the file of pixels an image begins."""
    checksums: list[list[int]] = field(default_factory=list)
    """By side: `checksum` of each image."""
    bad: list[tuple[str, str]] = field(default_factory=list)
    """Files that cannot be read, and why."""
    notes: list[tuple[int, int, list[str]]] = field(default_factory=list)
    """Row, side and words of images that lack something of their files."""
    cached: bool = True
    """False if this only remembers which files are good."""

    def nbytes(self) -> int:
        """Return the size of all images in bytes."""
        pixels = sum(height * width for height, width in self.sizes)
        return pixels * sum(self.pixel_bytes)

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


def checksum(array: NDArray[Any]) -> int:
    """Return what tells whether pixels are those that were written."""
    return zlib.crc32(np.ascontiguousarray(array).data)


def load(name: str) -> tuple[Index, list[Mapped] | None] | None:
    """Return the index of a cache and its images, a list per side; None if there is no whole cache.

    The images are None if the cache only remembers which files are good.
    """
    folder = home() / name
    try:
        with read_own(folder / "index.json") as file:
            index = _parsed(file.read().decode("utf-8"))
        pixels = _map(folder / "pixels.bin", index) if index.cached else None
        with suppress(OSError):  # somebody else's folder: its age is not ours to set
            os.utime(folder)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return index, pixels


def _text(index: Index) -> str:
    content = json.dumps(vars(index))
    return json.dumps({"digest": _digest(content), "index": content})


def _parsed(text: str) -> Index:
    found = json.loads(text)
    if found["digest"] != _digest(found["index"]):
        raise ValueError("an index that was changed")
    return Index(**json.loads(found["index"]))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _map(path: Path, index: Index) -> list[Mapped]:
    file = read_own(path)
    flat: NDArray[np.uint8] = np.asarray(np.memmap(file, dtype=np.uint8, mode="r"))
    if len(flat) < index.nbytes():
        raise ValueError(f"{path} has {len(flat)} bytes instead of {index.nbytes()}")
    sides: list[Mapped] = []
    for side, kind in enumerate(index.types):
        images: list[NDArray[Any]] = []
        for (height, width), offset in zip(index.sizes, index.offsets[side], strict=True):
            raw = flat[offset : offset + height * width * index.pixel_bytes[side]]
            images.append(raw.view(kind).reshape(height, width, index.channels[side]))
        sides.append(Mapped(images, file, len(flat), path))
    _check(sides, index, path)
    return sides


def _check(sides: list[Mapped], index: Index, path: Path) -> None:
    """Compare all pixels with their checksums: a disk, or whoever writes into the folder, may have changed them."""
    for images, expected in zip(sides, index.checksums, strict=True):
        # By number: each image is asked for as it is read, when the file is looked at.
        if in_threads(partial(_checksum_of, images), range(len(images)), _THREADS) != expected:
            raise ValueError(f"{path} holds other pixels than were written")


def _checksum_of(images: Mapped, number: int) -> int:
    return checksum(images[number])


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
        """Append an image and return its offset."""
        offset = self._position
        if self._file and not self.failure:
            try:
                written = self._file.write(np.ascontiguousarray(array).data)
                self._position += written + self._file.write(bytes(-written % _ALIGN))
            except OSError as error:
                self._fail(error)
        return offset

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
