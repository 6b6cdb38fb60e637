"""Instar: train, judge and use image-to-image translation models on your own images."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instar.api.check import check as check
    from instar.core.method import Method
    from instar.inference.translator import Translator

__version__ = version("instar")
__all__ = ["__version__", "check", "get", "load", "names"]


_LATER = {"check": "instar.api.check"}
"""Use cases that are imported when they are first asked for."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'instar' has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


def load(path: str | PathLike[str], device: str = "auto") -> Translator:
    """Return the model of a run directory, or of one of its checkpoints, ready to translate.

    Args:
        path: `RUN` (its last checkpoint) or `RUN/checkpoints/step-N`.
        device: auto, cpu, cuda or mps.

    Raises:
        UserError: there is no complete checkpoint, or the device is not there.
    """
    from instar.inference.translator import Translator

    return Translator.load(Path(path), device)


def names() -> list[str]:
    """Return the names of all methods."""
    from instar.core.registry import names as all_names

    return all_names()


def get(name: str) -> type[Method[Any]]:
    """Return a method's class by its name."""
    from instar.core.registry import get as get_method

    return get_method(name)
