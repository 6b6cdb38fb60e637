"""HEIC images, for those who have installed the extra `heic`: a decoder that is needed for nothing else."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import PurePath
from typing import Protocol

_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
NO_HEIC = "HEIC needs pip install '.[heic]'; or convert it to JPEG or PNG"
FORMAT = "HEIF"
"""Pillow's name for it."""


class Named(Protocol):
    """A file, or what is one within another."""

    @property
    def suffix(self) -> str:
        """The end of its name, from its last dot on."""


def is_heic(path: Named) -> bool:
    """Tell whether a file is a HEIC image by its suffix."""
    return path.suffix.lower() in _SUFFIXES


@cache
def is_installed() -> bool:
    """Tell whether HEIC images can be read."""
    return find_spec("pi_heif") is not None


@cache
def formats() -> tuple[str, ...]:
    """Return what Pillow reads beside its own formats, and let it know how."""
    if not is_installed():
        return ()
    import_module("pi_heif").register_heif_opener()
    return (FORMAT,)


def writable(name: str) -> str:
    """Return the name of a result for an input: no HEIC is written, but PNG."""
    path = PurePath(name)
    return path.with_suffix(".png").as_posix() if is_heic(path) else name
