"""Files that are there whole or not at all, whenever the process is killed."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to a temporary file beside `path`, flush it to the disk, and rename it."""
    temporary = temporary_beside(path)
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def temporary_beside(path: Path) -> Path:
    """Return a name in the same folder for a file that is to become `path`; its length is not that of the name."""
    return path.with_name(f".instar-{os.getpid()}-{uuid4().hex[:12]}.tmp")


def sync(path: Path) -> None:
    """Flush a file or folder that was written to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
