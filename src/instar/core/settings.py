"""Dataclasses of settings: their types bound the values, the docstring under a field is its help text.

From them follow the flags of the command line, the arguments of the Python functions, config.yaml and the tables of the
documentation. A field exists because two published results, or two users, need different values; every other number
stands in the code with its source.
"""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from numbers import Real
from pathlib import Path
from textwrap import dedent
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import cattrs
from typing_extensions import Doc

from instar.core.errors import UserError, nearest, setting, shown

SettingsT = TypeVar("SettingsT")


LARGEST_INT = 2**63 - 1
"""Of any whole number: files, arrays and generators of random numbers hold no larger ones."""


@dataclass(frozen=True)
class Bounds:
    """Smallest and largest value of a number, or of each number of a tuple; None: no bound."""

    low: float | None = None
    high: float | None = None
    below: float | None = None
    """What it must stay below, where that itself is too large."""

    def check(self, name: str, value: float) -> None:
        """Raise a `UserError` that names the setting if `value` is outside, or not a finite number."""
        if isinstance(value, int) and abs(value) > LARGEST_INT:  # its digits may fill pages
            raise UserError(f"{setting(name)} must be a number of fewer digits")
        if not math.isfinite(value):
            raise UserError(f"{setting(name)} must be a finite number, not {value}")
        inside = (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
        if not inside or (self.below is not None and value >= self.below):
            raise UserError(f"{setting(name)} must be {self._wanted()}, not {value}")

    def _wanted(self) -> str:
        parts = {"at least": self.low, "at most": self.high, "below": self.below}
        if self.low is not None and self.high is not None:
            return f"between {self.low:g} and {self.high:g}"
        return " and ".join(f"{words} {bound:g}" for words, bound in parts.items() if bound is not None)


IF_SET: Mapping[str, Any] = {"written": "if set"}
"""Metadata of a field that is left out of files as long as it has its default."""
PositiveInt = Annotated[int, Bounds(1)]
NonNegativeInt = Annotated[int, Bounds(0)]
NonNegativeFloat = Annotated[float, Bounds(0)]
Fraction = Annotated[float, Bounds(0, 1)]
Width = Annotated[int, Bounds(1, 65_536)]
"""Channels or numbers of a layer."""
Depth = Annotated[int, Bounds(1, 100)]
"""Layers, blocks or scales of a network: more of them take minutes to be made before anything is known of them."""
Blocks = Annotated[int, Bounds(0, 100)]
"""As `Depth`, where there may be none."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of all settings: checks its numbers when it is made. Subclasses add checks of their own in __post_init__."""

    section: ClassVar[str] = ""
    """Dotted path of these settings in those of a run, for messages."""
    removed: ClassVar[Mapping[str, tuple[object, ...]]] = {}
    """Settings of earlier versions, with the values under which a run was what it is without them: a file that holds
    one of these is still read. Lists stand for tuples, as in YAML."""

    def __post_init__(self) -> None:
        for name, bounds in _bounds(cast(Hashable, type(self))):
            value = getattr(self, name)
            for number in value if isinstance(value, tuple) else (value,):
                if isinstance(number, Real):  # None and words have no bounds
                    bounds.check(f"{self.section}.{name}" if self.section else name, number)  # type: ignore[arg-type]


def field_docs(cls: type) -> dict[str, str]:
    """Return the docstrings under the fields of a dataclass and of its bases, each as one line.

    Of a class that is in no file, it is the `Doc` in a field's type.
    """
    found: dict[str, str] = {}
    for base in reversed([base for base in cls.__mro__ if is_dataclass(base)]):
        found |= _docs_in_types(base) or _docs_in_source(base)
    return found


def to_dict(settings: Any) -> dict[str, Any]:
    """Return a dataclass of settings as what YAML and JSON can hold; `from_dict` of it gives an equal one."""
    found: dict[str, Any] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.metadata != IF_SET or value != field.default:
            found[field.name] = _plain(value)
    return found


def from_dict(cls: type[SettingsT], values: Mapping[str, Any], where: str) -> SettingsT:
    """Build dataclass `cls` from plain values. An unknown key is a `UserError` naming the nearest one.

    What `Settings.removed` says makes no difference is left out.

    Args:
        cls: a dataclass of settings, nested ones included.
        values: as YAML gives them.
        where: the file, for the message.
    """
    known = _known(cls, values, where)
    try:
        return _converter().structure(known, cls)
    except UserError:
        raise
    except Exception as error:  # cattrs raises groups of whatever the conversions raised
        grouped = isinstance(error, cattrs.BaseValidationError)
        said = cattrs.transform_error(error, format_exception=_reason) if grouped else [_reason(error, None)]
        raise UserError(f"{where}: {'; '.join(one.removesuffix(' @ $') for one in said)}") from error


def with_changes(settings: SettingsT, changes: Mapping[str, Any]) -> SettingsT:
    """Return dataclass `settings` with `changes` applied; a nested mapping changes a nested dataclass."""
    nested = {
        key: with_changes(getattr(settings, key), value) if isinstance(value, Mapping) else value
        for key, value in changes.items()
    }
    return replace(settings, **nested)  # type: ignore[type-var]


@cache
def _bounds(cls: Hashable) -> tuple[tuple[str, Bounds], ...]:
    hints = get_type_hints(cls, include_extras=True)
    return tuple(
        (field.name, bounds)
        for field in fields(cls)  # type: ignore[arg-type]
        for bounds in _bounds_in(hints[field.name])
    )


def _docs_in_types(cls: type) -> dict[str, str]:
    return {
        name: extra.documentation
        for name, hint in inspect.get_annotations(cls).items()
        for extra in getattr(hint, "__metadata__", ())
        if isinstance(extra, Doc)
    }


@cache
def _docs_in_source(cls: Hashable) -> dict[str, str]:
    found: dict[str, str] = {}
    body = ast.parse(dedent(inspect.getsource(cls))).body[0]  # type: ignore[arg-type]
    assert isinstance(body, ast.ClassDef)
    for here, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(here, ast.AnnAssign) and isinstance(here.target, ast.Name) and isinstance(below, ast.Expr):
            found[here.target.id] = " ".join(str(ast.literal_eval(below.value)).split())
    return found


def _bounds_in(hint: Any) -> Iterator[Bounds]:
    """Yield the bounds of a type; numbers without any must be finite."""
    stated = [extra for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, Bounds)]
    yield stated[0] if stated else Bounds()


def _known(cls: Any, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the values whose keys are fields; another key is an error, unless it was one once and changes nothing."""
    if not isinstance(values, Mapping):
        raise UserError(f"{where}: expected settings of {cls.__name__}, found {shown(values)}")
    names = [field.name for field in fields(cls)]
    types = get_type_hints(cls)
    removed: Mapping[str, tuple[object, ...]] = getattr(cls, "removed", {})
    found = {}
    for key, value in values.items():
        if key in names:
            found[key] = _known(types[key], value, where) if is_dataclass(types[key]) else value
            if get_origin(types[key]) is Literal and value not in get_args(types[key]):
                choices = ", ".join(map(str, get_args(types[key])))
                raise UserError(f"{where}: {key} must be one of {choices}, not {shown(value)}")
        elif key not in removed:
            raise UserError(f"{where}: unknown setting {shown(key)}{nearest(str(key), names)}")
        elif value not in removed[key]:
            raise UserError(
                f"{where}: the setting {key!r} is gone, and what {shown(value)} did with it; "
                "use the version of Instar that the file names"
            )
    return found


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    for kind, structure in ((int, _whole), (float, _number), (bool, _switch), (str, _text), (Path, _path)):
        converter.register_structure_hook(kind, structure)
    converter.register_structure_hook_func(_is_choice, _chosen)
    return converter


def _reason(error: BaseException, kind: type | None) -> str:
    """Say what is wrong with a value, in a line."""
    if isinstance(error, UserError):
        return error.message.raw
    if isinstance(error, _WrongValueError):
        return str(error)
    return cattrs.v.format_exception(error, kind)


class _WrongValueError(ValueError):
    def __init__(self, wanted: str, value: Any) -> None:
        super().__init__(f"{wanted} wanted, not {shown(value)}")


def _whole(value: Any, _: type) -> int:
    try:
        found = None if isinstance(value, bool) else int(value)
    except (TypeError, ValueError, OverflowError):  # of infinity and of texts with thousands of digits, too
        found = None
    if found is None or (isinstance(value, float) and found != value):
        raise _WrongValueError("a whole number (int)", value)
    return found


def _number(value: Any, _: type) -> float:
    try:
        if not isinstance(value, bool):
            return float(value)  # texts too: YAML takes 1e-4 for one
    except (TypeError, ValueError, OverflowError):
        pass
    raise _WrongValueError("a number", value)


def _switch(value: Any, _: type) -> bool:
    if isinstance(value, bool):
        return value
    raise _WrongValueError("true or false", value)


def _text(value: Any, _: type) -> str:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool) and "\0" not in (text := str(value)):
        return text
    raise _WrongValueError("a text", value)


def _path(value: Any, kind: type) -> Path:
    return Path(_text(value, kind))


def _is_choice(hint: Any) -> bool:
    """Tell whether values of a type are some words, or anything else."""
    return get_origin(hint) in (Union, UnionType) and any(get_origin(one) is Literal for one in get_args(hint))


def _chosen(value: Any, hint: Any) -> Any:
    for one in get_args(hint):
        if value in get_args(one) or (isinstance(one, type) and isinstance(value, one) and not isinstance(value, bool)):
            return value
    raise ValueError(f"{value!r} is no {hint}")


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_dict(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
