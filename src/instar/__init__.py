"""Instar: train, judge and use image-to-image translation models on your own images.

    result = instar.train("cut", "photos", out="runs/first", preset="small")
    model = instar.load("runs/first")

What is named here is imported when it is first used.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instar.api.load import load as load
    from instar.api.train import TrainResult as TrainResult
    from instar.api.train import resume as resume
    from instar.api.train import train as train
    from instar.api.translate import styles as styles
    from instar.api.translate import translate as translate
    from instar.core.errors import UserError as UserError
    from instar.core.registry import get as get
    from instar.core.registry import names as names
    from instar.core.registry import register as register

    __version__: str

_HOMES = {
    "train": "instar.api.train",
    "resume": "instar.api.train",
    "TrainResult": "instar.api.train",
    "load": "instar.api.load",
    "translate": "instar.api.translate",
    "styles": "instar.api.translate",
    "check": "instar.api.check",
    "evaluate": "instar.api.evaluate",
    "compare": "instar.api.compare",
    "benchmark": "instar.api.benchmark",
    "names": "instar.core.registry",
    "get": "instar.core.registry",
    "register": "instar.core.registry",
    "UserError": "instar.core.errors",
}
"""Public names, and the modules that they are taken from."""

__all__ = ["__version__", *(name for name, home in _HOMES.items() if find_spec(home))]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("instar")
    elif name in __all__:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'instar' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
