"""Settings and use cases as the command line spells them: flags and commands."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import Field, field, fields, is_dataclass, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from tyro.conf import Suppress, arg

from instar.core.errors import SHORT, Mention
from instar.core.settings import field_docs

SettingsT = TypeVar("SettingsT")

FLAGS = {
    **{name: f"--{short}" for name, short in SHORT.items()},
    "data.source": "--from",
    "data.target": "--to",
    "data.masks": "--masks",
    "data.range_a": "--range-a",
    "data.range_b": "--range-b",
    "method.target_channels": "--target-channels",
    "source": "--from",
    "target": "--to",
    "out": "-o",
}
"""Settings whose flag is not made of their name: `--` and the name with hyphens."""

METAVARS = {"data.source": "NAME", "data.target": "NAME"}
HIDDEN = frozenset({"data.roots"})
"""Settings that are given as positional arguments."""

COMMANDS = {
    "train": "train {}",
    "resume": "train --resume {}",
    "translate": "translate {} IMAGES -o OUT",
    "check": "check {}",
    "advise": "advise {}",
    "evaluate": "evaluate {}",
    "export": "export {} -o MODEL.onnx",
    "view": "view {}",
}
"""Use cases whose command is not their name alone."""


def spell(mention: Mention) -> str:
    """Write a setting as its flag, a call of a use case as its command."""
    if mention.call:
        if mention.name == "register":
            return f"--plugin {mention.values[0]}"
        command = COMMANDS.get(mention.name, mention.name).format(" ".join(mention.values) or "DATA").strip()
        command = f"{program()} {command}"
        return " ".join([command, *(spell(Mention(name, (value,))) for name, value in mention.keywords)])
    flag = FLAGS.get(mention.name, "--" + mention.name.replace("_", "-"))
    if mention.values == ("True",):
        return flag
    if mention.values == ("False",):
        *sections, name = flag.removeprefix("--").split(".")
        return "--" + ".".join([*sections, f"no-{name}"])
    return " ".join([flag, *mention.values])


def program() -> str:
    """Return what to type for this program: its name, or its path where the shell does not find it by name."""
    called = Path(sys.argv[0])
    if called.name != "instar" or shutil.which("instar"):
        return "instar"
    beside = os.path.relpath(called)
    return str(called) if beside.startswith("..") else os.path.join(os.curdir, beside)  # noqa: PTH118  (it keeps ./)


def with_flags(settings: SettingsT, section: str) -> SettingsT:
    """Return settings as an equal instance of a subclass that tells tyro their short flags and help texts.

    Args:
        settings: the defaults.
        section: their dotted path in the settings of a run.
    """
    cls: Any = type(settings)
    hints, docs = get_type_hints(cls, include_extras=True), field_docs(cls)
    typed = [
        (f.name, _annotated(hints[f.name], f"{section}.{f.name}", docs, getattr(settings, f.name)), _default(f))
        for f in fields(cls)
    ]
    flagged = make_dataclass(cls.__name__, typed, bases=(cls,), frozen=True, kw_only=True)
    flagged.__doc__ = cls.__doc__
    made: SettingsT = flagged(**{f.name: getattr(settings, f.name) for f in fields(cls)})
    return made


def without_flags(settings: Any) -> Any:
    """Return settings that were parsed as an instance of the class that `with_flags` was given."""
    cls = type(settings).__mro__[1]
    return cls(**{f.name: getattr(settings, f.name) for f in fields(settings)})


def _annotated(hint: Any, name: str, docs: dict[str, str], default: object) -> Any:
    if name in HIDDEN:
        return Suppress[hint]  # type: ignore[misc]
    if is_dataclass(hint):
        return hint
    aliases = [FLAGS[name]] if name in FLAGS else None
    shown = {**readable(hint, default), **({"metavar": METAVARS[name]} if name in METAVARS else {})}
    return Annotated[hint, arg(aliases=aliases, help=docs[name.rsplit(".", 1)[1]], **shown)]


def readable(hint: Any, default: object) -> dict[str, Any]:
    """Return how the help shows a flag that may be left out: as STR, not {None}|STR, and without an empty default."""
    shown: dict[str, Any] = {} if default not in (None, ()) else {"help_behavior_hint": ""}
    parts = get_args(get_args(hint)[0] if get_origin(hint) is Annotated else hint)
    if type(None) in parts:
        shown["metavar"] = "|".join(_word(part) for part in parts if part is not type(None))
    return shown


def _word(hint: Any) -> str:
    """Return what stands for values of a type."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _word(parts[0])
    if origin is Literal:
        return "|".join(map(str, parts))
    if origin is tuple:
        return f"{_word(parts[0])} [{_word(parts[0])} ...]"
    return str(hint.__name__).upper()


def _default(given: Field[Any]) -> Any:
    return field(default=given.default, default_factory=given.default_factory)
