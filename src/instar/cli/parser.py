"""From typed dataclasses to flags."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import MISSING, fields, make_dataclass
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import tyro
from rich.console import Console
from tyro.conf import arg

from instar.cli.flags import readable
from instar.core.settings import field_docs

ArgsT = TypeVar("ArgsT")


def parse(kind: type[ArgsT], arguments: Sequence[str], prog: str) -> ArgsT:
    """Parse flags into dataclass `kind`; a wrong flag ends the program with a line that names the nearest one."""
    description = (kind.__doc__ or "").strip()
    parsed: ArgsT = tyro.cli(_readable(kind), prog=prog, description=description, args=list(arguments))
    return parsed


def _readable(kind: Any) -> Any:
    """Return a subclass of a dataclass whose flags the help shows as `flags.readable` says."""
    hints = get_type_hints(kind, include_extras=True)
    docs = field_docs(kind) if hasattr(sys.modules[kind.__module__], kind.__name__) else {}  # not of one made here
    shown: list[Any] = []
    for f in fields(kind):
        empty = () if f.default is MISSING and _is_tuple(hints[f.name]) else f.default
        if options := readable(hints[f.name], empty):
            default = [] if f.default is MISSING else [f.default]
            shown.append((f.name, Annotated[hints[f.name], arg(help=docs.get(f.name), **options)], *default))
    frozen = kind.__dataclass_params__.frozen
    return make_dataclass(kind.__name__, shown, bases=(kind,), frozen=frozen, kw_only=True)


def _is_tuple(hint: Any) -> bool:
    return get_origin(get_args(hint)[0] if get_origin(hint) is Annotated else hint) is tuple


def console() -> Console:
    """Return the console for progress and messages, on stderr."""
    return Console(stderr=True)
