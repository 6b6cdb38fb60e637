"""Features of reference images, kept in a folder of caches until the files or the extractor change."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .extractors import Extractor

_VERSION = 1
"""Raise it when the same files and network come to give other features."""

Features = NDArray[np.floating[Any]]


def reference_key(files: Iterable[Path], extractor: Extractor, preparation: str) -> str:
    """Return a name that changes with any file (place, size or time), the network, its resize and the preparation.

    Args:
        files: the images, in the order of their features.
        extractor: what makes the features.
        preparation: in words, what happens to an image before the extractor, such as ``centre square 64 bicubic``.
    """
    described = [(str(path.resolve()), *_stamp(path)) for path in files]
    text = json.dumps([_VERSION, extractor.fingerprint(), preparation, described])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def reference_features(caches: Path, key: str, compute: Callable[[], Features]) -> NDArray[np.float32]:
    """Return the features (N, D) stored under `key`, or what `compute` returns, which is then stored.

    They are stored and returned as float32, which is what networks return. The folder follows the rules of the other
    caches: it appears whole or not at all, its time is that of its last use, and it has an ``index.json``, so the
    oldest caches are removed together when there are too many. Without room or the right to write nothing is stored.

    Args:
        caches: the folder of all caches.
        key: from `reference_key`.
        compute: makes the features; called only if they are not there.
    """
    folder = caches / f"features-{key}"
    stored = _load(folder)
    if stored is not None:
        return stored
    found = compute().astype(np.float32)
    with suppress(OSError):
        _store(folder, found)
    return found


def _load(folder: Path) -> NDArray[np.float32] | None:
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        found = np.load(folder / "features.npy", allow_pickle=False)
        if list(found.shape) != index["shape"] or found.dtype != np.float32:
            return None
        with suppress(OSError):  # somebody else's folder: its age is not ours to set
            os.utime(folder)
    except (OSError, ValueError, EOFError, TypeError, KeyError):
        return None
    features: NDArray[np.float32] = found
    return features


def _store(folder: Path, features: NDArray[np.float32]) -> None:
    part = folder.with_name(f".part-{folder.name}-{os.getpid()}")
    part.mkdir(parents=True)
    try:
        np.save(part / "features.npy", features, allow_pickle=False)
        (part / "index.json").write_text(json.dumps({"shape": list(features.shape)}), encoding="utf-8")
        if folder.exists() and _load(folder) is None:  # half of it, from a disk that was full
            shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
