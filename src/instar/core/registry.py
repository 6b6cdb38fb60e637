"""Methods by name: that of its file or package below `instar.methods`.

Outside packages register entry points `instar.methods`.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from instar.core.errors import UserError, nearest

if TYPE_CHECKING:
    from instar.core.method import Method


def names() -> list[str]:
    """Return all method names, without importing any method."""
    return sorted({*_own(), *_outside()})


def get(name: str) -> type[Method[Any]]:
    """Import and return a method's class. An unknown name is a `UserError` naming the nearest one."""
    if name in _own():
        from instar.core.method import Method  # noqa: PLC0415  (seconds of torch, which a list of names can do without)

        module = importlib.import_module(f"instar.methods.{name.replace('-', '_')}")
        classes = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Method)]
        # `Method` itself is imported there too; a package takes its method out of a file of its own.
        (method,) = (cls for cls in classes if f"{cls.__module__}.".startswith(f"{module.__name__}."))
        return method
    if name in _outside():
        loaded: type[Method[Any]] = _outside()[name].load()
        return loaded
    raise UserError(f"there is no method {name!r}{nearest(name, names())}")


def _own() -> list[str]:
    spec = find_spec("instar.methods")
    places = spec.submodule_search_locations if spec else None
    return [info.name.replace("_", "-") for info in pkgutil.iter_modules(places)]


def _outside() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="instar.methods")}
