"""Arrays that took minutes to compute, kept in a folder of caches."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from instar.core.files import read_own
from instar.core.member import File
from instar.core.plain import read_json
from instar.core.stamps import stamp

Arrays = Mapping[str, NDArray[Any]]

_FILE = "arrays.safetensors"


def cached(caches: Path, name: str, compute: Callable[[], Arrays]) -> Arrays:
    """Return the arrays stored under `name`, or what `compute` returns, which is then stored.

    The folder follows the rules of the other caches: it appears whole or not at all, its time is that of its last use,
    and it has an ``index.json``, so the oldest caches are removed together when there are too many. Without room or
    the right to write nothing is stored.

    Args:
        caches: the folder of all caches.
        name: of the folder in it; it must change with all that the arrays are made from.
        compute: makes the arrays; called only if they are not there.
    """
    folder = caches / name
    stored = _load(folder)
    if stored is not None:
        return stored
    found = compute()
    with suppress(OSError):
        _store(folder, found)
    return found


def file_stamps(files: Iterable[File]) -> list[tuple[str, int, int, int, str]]:
    """Return place and stamp of each file, which tell whether it is still the same."""
    return [(os.path.realpath(str(path)), *stamp(path)) for path in files]


def _load(folder: Path) -> Arrays | None:
    try:
        with read_own(folder / "index.json") as described, read_own(folder / _FILE) as file:
            index, content = read_json(described.read()), file.read()
        if index != _index(content):
            return None
        found = load(content)
        with suppress(OSError):  # somebody else's folder: its age is not ours to set
            os.utime(folder)
    except (OSError, ValueError, RecursionError, SafetensorError):
        return None
    return found


def _index(content: bytes) -> dict[str, str]:
    return {"digest": hashlib.blake2b(content, digest_size=16).hexdigest()}


def _store(folder: Path, arrays: Arrays) -> None:
    part = folder.with_name(f".part-{folder.name}-{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        content = save({name: np.array(array, order="C") for name, array in arrays.items()})
        (part / _FILE).write_bytes(content)
        (part / "index.json").write_text(json.dumps(_index(content)), encoding="utf-8")
        if folder.exists() and _load(folder) is None:  # half of it, from a disk that was full
            shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
