"""What tells whether a file is still the same, without reading all of it."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from instar.core.member import File, Member

_SAMPLE = 1024
"""Bytes that are read from the beginning, the middle and the end."""

Stamp = tuple[int, int, int, str]


def stamp(path: File) -> Stamp:
    """Return size, times of the last change of content and of anything, and a digest of a sample of the content.

    A file that is gone, or is none, has the size -1: reading it will say so. The stamp of a file within another is that
    of its container, and where it lies there.
    """
    if isinstance(path, Member):
        size, changed, any_change, sample = stamp(path.container)
        return size, changed, any_change, f"{sample} {path.where()}"
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return -1, -1, -1, ""
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns, _sample(path, found.st_size)
    except OSError:  # gone, a dangling link, or another user's
        return -1, -1, -1, ""


def _sample(path: Path, size: int) -> str:
    digest = hashlib.blake2b(digest_size=8)
    with path.open("rb", buffering=0) as file:
        for place in sorted({0, max(0, size // 2 - _SAMPLE // 2), max(0, size - _SAMPLE)}):
            file.seek(place, os.SEEK_SET)
            digest.update(file.read(_SAMPLE))
    return digest.hexdigest()
