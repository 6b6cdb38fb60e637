"""From the arguments of Python functions to the settings of a run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from numbers import Integral, Real
from os import PathLike, fspath
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from instar.api.directory import check_code
from instar.core import registry
from instar.core.config import RunConfig
from instar.core.errors import SHORT, UserError, nearest, setting, shown
from instar.core.method import Method, defaults
from instar.core.run import read_config
from instar.core.store import absolute

SECTIONS = ("method", "data", "train")
Images = str | PathLike[str] | Sequence[str | PathLike[str]]
"""A data set folder, or one folder per domain."""
Given = Mapping[str, Any]

SettingsT = TypeVar("SettingsT")


def config_of(
    method: str | PathLike[str] | type[Method[Any]] | None,
    images: Images,
    config: RunConfig | str | PathLike[str] | None,
    preset: str | None,
    given: Given,
    *,
    allow_code: bool = False,
) -> RunConfig:
    """Return the settings of a run from what a caller gave.

    Args:
        method: its name, the path of a Python file that holds it, or its class; None with `config`.
        images: the folders; none with `config`.
        config: complete settings, or the config.yaml of a run, from which to start instead of a preset.
        preset: of the method; its first one if None.
        given: settings by short name, such as size, and mappings of the others by section; None is not given.
        allow_code: accept that `config` names code to be run.

    Raises:
        UserError: a name or a value is wrong, or `config` names code.
    """
    roots = _roots(images)
    if config is None:
        if method is None:
            raise UserError(f"no method given; there is: {', '.join(registry.names())}")
        name = registry.resolve(method)
        base = defaults(name, registry.get(name), preset)
    else:
        if method is not None or roots or preset is not None:
            raise UserError(f"{setting('config')} holds the method, the images and the preset: give no others")
        base = config if isinstance(config, RunConfig) else read_config(Path(config))
        roots = base.data.roots
    changes = _sections(base, given)
    if config is not None and not allow_code and "score_with" not in changes["train"]:
        check_code(base, setting("config") if isinstance(config, RunConfig) else Path(config))
    made = {name: changed(getattr(base, name), changes[name], name) for name in SECTIONS}
    start = made["train"].start_from
    train = replace(made["train"], start_from=start and absolute(start))
    return replace(base, formats=(), method=made["method"], data=replace(made["data"], roots=roots), train=train)


def changed(settings: SettingsT, changes: Given, section: str) -> SettingsT:
    """Return dataclass `settings` with `changes` applied; a nested mapping changes a nested dataclass.

    Args:
        settings: of a run's section, or nested in one.
        changes: values by name.
        section: dotted path of the settings, for messages.

    Raises:
        UserError: a name is unknown, or a value is of the wrong type or out of bounds.
    """
    if not isinstance(changes, Mapping):
        raise UserError(f"{setting(section)} must be a mapping of settings, not {changes!r}")
    kind: Any = type(settings)
    hints = get_type_hints(kind)
    values = {}
    for name, value in changes.items():
        if name not in hints or name not in _names(kind):
            raise UserError(f"there is no setting {setting(f'{section}.{name}')}{nearest(str(name), _names(kind))}")
        dotted = f"{section}.{name}"
        if is_dataclass(hints[name]) and not isinstance(value, hints[name]):
            values[name] = changed(getattr(settings, name), value, dotted)
        else:
            values[name] = _value(hints[name], value, dotted)
    return replace(settings, **values)  # type: ignore[type-var]


def _sections(base: RunConfig, given: Given) -> dict[str, dict[str, Any]]:
    """Sort what was given into sections, each a mapping of names to values."""
    found: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    short = {name: dotted for dotted, name in SHORT.items()}
    for name, value in given.items():
        if value is None:
            continue
        if name in SECTIONS:
            if not isinstance(value, Mapping):
                raise UserError(f"{setting(name)} must be a mapping of settings, not {value!r}")
            found[name] |= value
        elif name not in short:
            raise _unknown(base, name, short)
    for name, dotted in short.items():
        section, key = dotted.split(".")
        if given.get(name) is not None:
            if key in found[section]:
                raise UserError(f"{setting(dotted)} is given twice: as {name} and in {section}")
            found[section][key] = given[name]
    if "roots" in found["data"]:
        raise UserError(f"{setting('data.roots')}: give the images as second argument")
    return found


def _unknown(base: RunConfig, name: str, short: Mapping[str, str]) -> UserError:
    for section in SECTIONS:
        if name in _names(type(getattr(base, section))):
            return UserError(f"there is no setting {name!r} here; give it as {section}={{{name!r}: ...}}")
    return UserError(f"there is no setting {name!r}{nearest(name, [*short, *SECTIONS, 'preset', 'config', 'out'])}")


def _names(kind: Any) -> list[str]:
    return [field.name for field in fields(kind)]


def _roots(images: Images) -> tuple[Path, ...]:
    several = [images] if isinstance(images, (str, PathLike)) else images
    return tuple(_absolute(path) for path in several)


def _absolute(path: str | PathLike[str]) -> Path:
    # Unlike resolve(), this keeps the name of a symbolic link: a folder's name is its domain's.
    return Path(os.path.abspath(path))  # noqa: PTH100


def _value(hint: Any, value: Any, name: str) -> Any:
    """Return a value as the type of its setting has it."""
    try:
        return _converted(hint, value)
    except TypeError as error:
        raise UserError(f"{setting(name)} must be {_words(hint)}, not {shown(value)}") from error


def _converted(hint: Any, value: Any) -> Any:
    """Return a value as a type has it. One that means something else, such as 1.5 for an int, is a `TypeError`."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        for one in parts:
            if str(one) == str(value):  # 32 for "32"
                return one
        raise TypeError(value)
    if origin in (Union, UnionType):
        return next(_converted(one, value) for one in parts if _fits(one, value) or one is parts[-1])
    if origin is tuple:
        items = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        kinds = [parts[0]] * len(items) if parts[-1] is Ellipsis else parts
        if len(kinds) != len(items):
            raise TypeError(value)
        return tuple(_converted(kind, item) for kind, item in zip(kinds, items, strict=True))
    if hint is Path:
        return Path(fspath(value))
    # A hint that is no type is of a method from outside: its own affair.
    return _simple(hint, value) if isinstance(hint, type) else value


def _simple(hint: type, value: Any) -> Any:
    """Return a number, a text or a switch as a type has it."""
    wanted: Any = {int: Integral, float: Real}.get(hint, hint)  # numpy's numbers too
    if not isinstance(value, wanted) or (isinstance(value, bool) and hint is not bool):
        raise TypeError(value)
    if hint in (int, float):
        with suppress(OverflowError):  # a whole number of hundreds of digits: its bounds refuse it
            value = hint(value)
    return value


def _fits(hint: Any, value: Any) -> bool:
    try:
        _converted(hint, value)
    except TypeError:
        return False
    return True


def _words(hint: Any) -> str:
    """Say what values of a type are."""
    parts = get_args(hint)
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, parts))
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_words(one) for one in parts)
    if get_origin(hint) is tuple:
        count = "a list" if parts[-1] is Ellipsis else f"a list of {len(parts)}"
        return f"{count}, each {_words(parts[0])}"
    return _WORDS.get(hint, str(hint))


_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "a text",
    Path: "a path",
    type(None): "None",
}
