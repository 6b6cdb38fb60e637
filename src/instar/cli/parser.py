"""From typed dataclasses to flags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import tyro
from rich.console import Console

ArgsT = TypeVar("ArgsT")


def parse(kind: type[ArgsT], arguments: Sequence[str], prog: str) -> ArgsT:
    """Parse flags into dataclass `kind`; a wrong flag ends the program with a line that names the nearest one."""
    description = (kind.__doc__ or "").strip()
    return tyro.cli(kind, prog=prog, description=description, args=list(arguments))


def console() -> Console:
    """Return the console for progress and messages, on stderr."""
    return Console(stderr=True)
