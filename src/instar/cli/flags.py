"""Settings and use cases as the command line spells them: flags and commands."""

from __future__ import annotations

from dataclasses import Field, field, fields, is_dataclass, make_dataclass
from typing import Annotated, Any, TypeVar, get_type_hints

from tyro.conf import Suppress, arg

from instar.core.errors import SHORT, Mention
from instar.core.settings import field_docs

SettingsT = TypeVar("SettingsT")

FLAGS = {
    **{name: f"--{short}" for name, short in SHORT.items()},
    "data.source": "--from",
    "data.target": "--to",
    "source": "--from",
    "out": "-o",
}
"""Settings whose flag is not made of their name: `--` and the name with hyphens."""

METAVARS = {"data.source": "NAME", "data.target": "NAME"}
HIDDEN = frozenset({"data.roots"})
"""Settings that are given as positional arguments."""

COMMANDS = {
    "train": "instar train {}",
    "resume": "instar train --resume {}",
    "translate": "instar translate {} IMAGES -o OUT",
    "check": "instar check {}",
    "evaluate": "instar evaluate {}",
    "export": "instar export {} -o MODEL.onnx",
    "view": "instar view {}",
    "register": "--plugin {}",
}


def spell(mention: Mention) -> str:
    """Write a setting as its flag, a call of a use case as its command."""
    if mention.call:
        command = COMMANDS.get(mention.name, f"instar {mention.name}").format(*mention.values or ("DATA",)).strip()
        return " ".join([command, *(spell(Mention(name, (value,))) for name, value in mention.keywords)])
    flag = FLAGS.get(mention.name, "--" + mention.name.replace("_", "-"))
    if mention.values == ("True",):
        return flag
    if mention.values == ("False",):
        *sections, name = flag.removeprefix("--").split(".")
        return "--" + ".".join([*sections, f"no-{name}"])
    return " ".join([flag, *mention.values])


def with_flags(settings: SettingsT, section: str) -> SettingsT:
    """Return settings as an equal instance of a subclass that tells tyro their short flags and help texts.

    Args:
        settings: the defaults.
        section: their dotted path in the settings of a run.
    """
    cls: Any = type(settings)
    hints, docs = get_type_hints(cls, include_extras=True), field_docs(cls)
    typed = [(f.name, _annotated(hints[f.name], f"{section}.{f.name}", docs), _default(f)) for f in fields(cls)]
    flagged = make_dataclass(cls.__name__, typed, bases=(cls,), frozen=True, kw_only=True)
    flagged.__doc__ = cls.__doc__
    made: SettingsT = flagged(**{f.name: getattr(settings, f.name) for f in fields(cls)})
    return made


def without_flags(settings: Any) -> Any:
    """Return settings that were parsed as an instance of the class that `with_flags` was given."""
    cls = type(settings).__mro__[1]
    return cls(**{f.name: getattr(settings, f.name) for f in fields(settings)})


def _annotated(hint: Any, name: str, docs: dict[str, str]) -> Any:
    if name in HIDDEN:
        return Suppress[hint]  # type: ignore[misc]
    if is_dataclass(hint):
        return hint
    aliases = [FLAGS[name]] if name in FLAGS else None
    return Annotated[hint, arg(aliases=aliases, metavar=METAVARS.get(name), help=docs[name.rsplit(".", 1)[1]])]


def _default(given: Field[Any]) -> Any:
    return field(default=given.default, default_factory=given.default_factory)
