"""Methods by name: Instar's own, those of other packages, and those that a program registers as it runs.

Instar's own are named as their files or packages below `instar.methods` are. Other packages name theirs as entry points
`instar.methods`. `register` takes a file with one method, or a class.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
import traceback
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from instar.core.errors import UserError, call, nearest, shown

if TYPE_CHECKING:
    from instar.core.method import Method

_PLUGIN = "instar_plugin_"
"""Beginning of the names that modules of registered files get."""


class Registered(NamedTuple):
    """A method that a program has registered."""

    kind: type[Method[Any]]
    code: str
    """Where it comes from: path of a file, or MODULE:CLASS."""


_registered: dict[str, Registered] = {}


def names() -> list[str]:
    """Return the names of all methods, without importing any of them."""
    return sorted({*_own(), *_outside(), *_registered})


def get(name: str) -> type[Method[Any]]:
    """Import and return a method's class. An unknown name is a `UserError` naming the nearest one."""
    if name in _own():
        module = importlib.import_module(f"instar.methods.{name.replace('-', '_')}")
        (method,) = _methods_in(module)
        return method
    if name in _registered:
        return _registered[name].kind
    if name in _outside():
        loaded: type[Method[Any]] = _outside()[name].load()
        return loaded
    raise _unknown(name)


def register(method: str | PathLike[str] | type[Method[Any]]) -> str:
    """Make a method known to this process, and return its name.

    Args:
        method: a Python file that defines one subclass of `Method`, which is named as the file is, with hyphens; or
            such a class, whose name becomes IdGAN: id-gan. The same file or class may be registered again: the newest
            counts.

    Raises:
        UserError: the file cannot be imported or does not hold one method, or the name is that of another method.
    """
    if isinstance(method, type):
        return _register_class(method)
    path = Path(method).absolute()
    if not path.is_file():
        raise UserError(f"{path}: no such file; a method that is not in a package is given as its Python file")
    name = path.stem.replace("_", "-")
    _check_name(name, str(path))
    _registered[name] = Registered(_import(path), str(path))
    return name


def resolve(method: str | PathLike[str] | type[Method[Any]]) -> str:
    """Return the name of a method that is given by its name, or as `register` takes it."""
    if isinstance(method, str) and not method.endswith(".py"):
        if method not in names():
            raise _unknown(method)
        return method
    return register(method)


def code(name: str) -> str | None:
    """Return where a registered method comes from: the path of a file, or MODULE:CLASS; None for all others."""
    return _registered[name].code if name in _registered else None


def files() -> list[Path]:
    """Return the files that were registered, as other processes must be given them."""
    return [Path(one.code) for one in _registered.values() if _is_file(one.code)]


def restore(source: str) -> str:
    """Register in this process what `code` returned in another one."""
    if _is_file(source):
        return register(source)
    module, qualified = source.split(":")
    return register(getattr(importlib.import_module(module), qualified))


def portable(name: str) -> bool:
    """Return whether other processes can have a method: not if its class was made in a notebook or a function."""
    source = code(name)
    if source is None or _is_file(source):
        return True
    module, qualified = source.split(":")
    return module != "__main__" and "." not in qualified


def unknown(name: str, source: str, where: Path) -> UserError:
    """Return the error for a run whose method is not there, though its code once was."""
    if _is_file(source):
        return UserError(
            f"{where}: its method {shown(name)} was made by {source}; give that file: {call('register', source)}"
        )
    return UserError(
        f"{where}: its method {shown(name)} was the class {source.replace(':', '.')}; register that class first"
    )


def _own() -> list[str]:
    spec = find_spec("instar.methods")
    places = spec.submodule_search_locations if spec else None
    return [info.name.replace("_", "-") for info in pkgutil.iter_modules(places)]


def _outside() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="instar.methods")}


def _unknown(name: str) -> UserError:
    return UserError(f"there is no method {shown(name)}{nearest(name, names())}")


def _register_class(kind: type[Method[Any]]) -> str:
    from instar.core.method import Method  # noqa: PLC0415

    if not issubclass(kind, Method) or inspect.isabstract(kind):
        raise UserError(f"{kind.__name__} is no method: it must be a subclass of instar.core.method.Method, and whole")
    source = f"{kind.__module__}:{kind.__qualname__}"
    known = _known(kind, source)
    if known:
        return known
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", kind.__name__).replace("_", "-").lower()
    _check_name(name, source)
    _registered[name] = Registered(kind, source)
    return name


def _known(kind: type[Method[Any]], source: str) -> str | None:
    """Return the name that a class has already."""
    if kind.__module__.startswith("instar.methods."):
        return kind.__module__.split(".")[2].replace("_", "-")
    for name, registered in _registered.items():
        if registered.kind is kind:
            return name
    return next((name for name, entry in _outside().items() if entry.value == source), None)


def _check_name(name: str, source: str) -> None:
    if name in _own():
        raise UserError(f"{source}: {name!r} is a method of Instar's own; give yours another name")
    if name in _outside():
        raise UserError(f"{source}: {name!r} is a method of {_outside()[name].value}; give yours another name")
    if name in _registered and _registered[name].code != source:
        raise UserError(f"{source}: {name!r} is {_registered[name].code} already; give one of them another name")


def _import(path: Path) -> type[Method[Any]]:
    title = _PLUGIN + path.stem
    spec = spec_from_file_location(title, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    before = sys.modules.get(title)
    sys.modules[title] = module  # dataclasses and pickles look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        if before is None:
            del sys.modules[title]
        else:
            sys.modules[title] = before
        raise _broken(path, error) from error
    found = _methods_in(module)
    if len(found) != 1:
        held = f"{len(found)} methods ({', '.join(kind.__name__ for kind in found)})" if found else "no method"
        raise UserError(f"{path}: it holds {held}; such a file defines one subclass of instar.core.method.Method")
    return found[0]


def _methods_in(module: ModuleType) -> list[type[Method[Any]]]:
    """Return the methods that a module or package defines, not those that it imports."""
    from instar.core.method import Method  # noqa: PLC0415  (seconds of torch, which a list of names can do without)

    classes = dict.fromkeys(value for value in vars(module).values() if isinstance(value, type))
    own = [kind for kind in classes if f"{kind.__module__}.".startswith(f"{module.__name__}.")]
    return [kind for kind in own if issubclass(kind, Method)]


def _broken(path: Path, error: Exception) -> UserError:
    """Return one line for what a file raised: where, and the last line of the traceback."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        line, why = error.lineno, error.msg
    else:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line, why = lines[-1] if lines else None, " ".join(str(error).split())
    return UserError(f"{path}{f', line {line}' if line else ''}: {type(error).__name__}: {why}")


def _is_file(source: str) -> bool:
    return source.endswith(".py")
