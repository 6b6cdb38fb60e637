"""Features of reference images, kept in a folder of caches until the files or the extractor change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from instar.core.member import File
from instar.metrics.array_cache import cached, file_stamps
from instar.metrics.extractors import Extractor

_VERSION = 2
"""Raise it when the same files and network come to give other features."""


class Reference(NamedTuple):
    """What an extractor makes of a list of images."""

    features: NDArray[np.floating[Any]]
    """(N, D), of the readable ones."""
    places: list[int]
    """Of these in the list."""


def reference_key(files: Iterable[File], extractor: Extractor, preparation: str) -> str:
    """Return a name that changes with any file (place, size or time), the network, its resize and the preparation.

    Args:
        files: the images, in the order of their features.
        extractor: what makes the features.
        preparation: in words, what happens to an image before the extractor, such as ``centre square 64 bicubic``.
    """
    text = json.dumps([_VERSION, extractor.fingerprint(), preparation, file_stamps(files)])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def reference_features(caches: Path, key: str, compute: Callable[[], Reference]) -> Reference:
    """Return what is stored under `key`, or what `compute` returns, which is then stored.

    Features are stored and returned as float32, which is what networks return.

    Args:
        caches: the folder of all caches (`instar.metrics.array_cache`).
        key: from `reference_key`.
        compute: makes the features; called only if they are not there.
    """

    def arrays() -> dict[str, NDArray[Any]]:
        features, places = compute()
        return {"features": features.astype(np.float32), "places": np.array(places, np.int64)}

    found = cached(caches, f"features-{key}", arrays)
    return Reference(found["features"], found["places"].tolist())
