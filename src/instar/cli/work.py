"""Long work, drawn in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, TaskID

from instar.cli.flags import spell
from instar.core.errors import Message
from instar.core.events import Event, Listener, Noted, Worked


@contextmanager
def work_bar(screen: Console, first: str = "") -> Iterator[Listener]:
    """Give a listener that shows a bar for what is being done (`Worked`), and removes it when that is done.

    Args:
        screen: where to draw, and where lines are printed that a user should know (`Noted`). No bar is drawn if it is
            no terminal.
        first: what is being done before the first event.
    """
    bar = WorkBar(screen)
    try:
        if first:
            bar(Worked(first, 0, 0))
        yield bar
    finally:
        bar.stop()


class WorkBar:
    """A bar for one piece of work at a time; there is none before the first and after the last part of it."""

    def __init__(self, screen: Console) -> None:
        self.screen = screen
        self.shown: tuple[str, Progress, TaskID] | None = None

    def __call__(self, event: Event) -> None:
        """Show how much is done, and lines above that."""
        if isinstance(event, Noted):
            say(self.screen, event.text)
        if not isinstance(event, Worked) or not self.screen.is_terminal:
            return
        if self.shown is None or self.shown[0] != event.what:
            self.stop()
            progress = Progress(console=self.screen, transient=True)
            self.shown = (event.what, progress, progress.add_task(event.what))
            progress.start()
        _, progress, task = self.shown
        progress.update(task, completed=event.done, total=event.total or None)
        if event.total and event.done >= event.total:
            self.stop()

    def stop(self) -> None:
        """Remove the bar."""
        if self.shown:
            self.shown[1].stop()
            self.shown = None


def say(screen: Console, line: str) -> None:
    """Print a line whole, so that paths and commands in it can be copied."""
    text = line.spelled(spell) if isinstance(line, Message) else line
    screen.print(text, markup=False, highlight=False, soft_wrap=True)
