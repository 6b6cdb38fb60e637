"""From typed dataclasses to flags."""

from __future__ import annotations

import logging
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
    """Return the console for progress and messages, on stderr; what Instar logs appears on it too."""
    made = Console(stderr=True)
    logger = logging.getLogger("instar")
    logger.setLevel(logging.INFO)
    logger.handlers = [_Lines(made)]
    logger.propagate = False
    return made


class _Lines(logging.Handler):
    """One line for each message, above the progress line: paths and commands stay whole, to be copied."""

    def __init__(self, screen: Console) -> None:
        super().__init__()
        self.screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message."""
        self.screen.print(self.format(record), markup=False, highlight=False, soft_wrap=True)
