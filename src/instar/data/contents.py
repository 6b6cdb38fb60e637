"""What files hold, as digests of parts of them; those of large sets are remembered until the files change."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from instar.core.files import read_own, replacing
from instar.core.member import File, Member
from instar.data.cache import home
from instar.data.files import Files
from instar.data.threads import in_threads

SAMPLE = 16384
"""Bytes that are read at the beginning, in the middle and at the end of a file. A smaller one is read whole."""
THREADS = 8
REMEMBERED = 1000
"""Files from which on their digests are remembered."""
_TICK = 2 * 10**9
"""Nanoseconds within which a file system may not tell two changes of a file apart."""
_UNREADABLE = "unreadable"


def digest(path: File) -> str:
    """Return size and digest of a file in words."""
    return _worded(*_read(path))


def of(files: Files) -> Iterator[str]:
    """Yield what `digest` gives of each file, opening only those that have changed since they were remembered.

    A file counts as unchanged if size, number and both times are those of then, and it had not just been written:
    nobody sets the time of the last change of anything, so that tools that restore other times are seen through.
    On Windows, where there is no such time, nothing is remembered.
    """
    known = _Remembered(files) if len(files) >= REMEMBERED and os.name != "nt" else None
    if known is None:
        return iter(in_threads(digest, [Path(files.path(i)) for i in range(len(files))], THREADS))
    return map(_worded, *known.found.T.tolist())


class _Remembered:
    """The digests of a folder's files, in the folder of caches."""

    def __init__(self, files: Files) -> None:
        name = hashlib.blake2b(os.path.realpath(files.folder).encode("utf-8", "surrogateescape"), digest_size=16)
        self._path = home() / f"files-{name.hexdigest()}.npz"
        self.found: NDArray[np.uint64] = np.zeros((len(files), 2), np.uint64)
        """Size and digest (N, 2); the size is the largest number if a file cannot be read."""
        places = self._recall(files)
        if len(places):
            began = time.time_ns()
            new = in_threads(lambda i: _read(Path(files.path(i))), places.tolist(), THREADS)
            self.found[places] = [(_NONE if size < 0 else size, mark) for size, mark in new]
            with suppress(OSError):  # it is only slower without
                self._keep(files, began)

    def _recall(self, files: Files) -> NDArray[np.int64]:
        """Take over what is known, and return which files are to be read."""
        try:
            with read_own(self._path) as file, np.load(file, allow_pickle=False) as kept:
                names, stats, found, began = kept["names"].tobytes(), kept["stats"], kept["found"], int(kept["began"])
            known = names.decode("utf-8", "surrogateescape").split("\0")
            if not len(known) == len(stats) == len(found) or stats.shape[1:] != (4,) or found.shape[1:] != (2,):
                raise ValueError("other sizes")
        except (OSError, ValueError, KeyError, BadZipFile, EOFError):
            return np.arange(len(files))
        if known == files.inside:
            places = np.arange(len(files))
        else:
            place = {name: i for i, name in enumerate(known)}
            places = np.array([place.get(name, -1) for name in files.inside])
        same = (places >= 0) & (files.stats[:, 0] >= 0)
        same &= (stats[places] == files.stats).all(1) & (files.stats[:, 2] < began - _TICK)
        self.found[same] = found[places[same]]
        return np.flatnonzero(~same)

    def _keep(self, files: Files, began: int) -> None:
        names = np.frombuffer("\0".join(files.inside).encode("utf-8", "surrogateescape"), np.uint8)
        home().mkdir(parents=True, exist_ok=True)
        with replacing(self._path) as file:
            np.savez(file, names=names, stats=files.stats, found=self.found, began=np.int64(began))


_NONE = 2**64 - 1


def _worded(size: int, mark: int) -> str:
    return _UNREADABLE if size in (-1, _NONE) else f"{size} {mark:016x}"


def _read(path: File) -> tuple[int, int]:
    """Return the size of a file and a digest of parts of it; the size is -1 if it cannot be read."""
    try:
        with path.open() if isinstance(path, Member) else read_own(path) as file:
            size = file.seek(0, 2)
            places = (0, size // 2, size - SAMPLE) if size > 3 * SAMPLE else (0,)
            found = hashlib.sha256()
            for place in places:
                file.seek(place)
                found.update(file.read(SAMPLE if len(places) > 1 else size))
    except OSError:  # whether it can be read is told elsewhere
        return -1, 0
    return size, int.from_bytes(found.digest()[:8], "big")
