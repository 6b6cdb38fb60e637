"""Long work, drawn in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, TaskID

from instar.core.events import Event, Listener, Worked


@contextmanager
def work_bar(screen: Console) -> Iterator[Listener]:
    """Give a listener that shows a bar for what is being done (`Worked`), and removes it when that is done.

    Args:
        screen: where to draw. Nothing is drawn if it is no terminal.
    """
    bar = WorkBar(screen)
    try:
        yield bar
    finally:
        bar.stop()


class WorkBar:
    """A bar for one piece of work at a time; there is none before the first and after the last part of it."""

    def __init__(self, screen: Console) -> None:
        self.screen = screen
        self.shown: tuple[str, Progress, TaskID] | None = None

    def __call__(self, event: Event) -> None:
        """Show how much is done."""
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
