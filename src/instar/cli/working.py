"""A line that says what is being done, for commands that take minutes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from instar.cli.flags import spell
from instar.core.errors import Message
from instar.core.events import Event, Listener, Noted, Worked


@contextmanager
def working(screen: Console) -> Iterator[Listener]:
    """Show what is being done while it is done; notes appear above it. Nothing moves where there is no terminal."""
    with screen.status("loading") as status:

        def listen(event: Event) -> None:
            if isinstance(event, Worked):
                count = f", {event.done:,} of {event.total:,}" if event.total else ""
                status.update(f"{event.what}{count}")
            elif isinstance(event, Noted):
                say(screen, event.text)

        yield listen


def say(screen: Console, line: str) -> None:
    """Print a line whole, so that paths and commands in it can be copied."""
    text = line.spelled(spell) if isinstance(line, Message) else line
    screen.print(text, markup=False, highlight=False, soft_wrap=True)
