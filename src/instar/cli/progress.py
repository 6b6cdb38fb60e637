"""What the library tells, on the terminal: lines, and one line that says where the work stands."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from typing_extensions import Self

from instar.cli.flags import spell
from instar.cli.signals import stop_on_signals
from instar.core.errors import Message
from instar.core.events import CHANGE, Event, Finished, Logged, Noted, Started, Stepped, Watched, Worked

STARVED = 0.2
"""Share of the time spent waiting for images above which the line says so."""
PLAIN_SECONDS = 30.0
"""Time between lines where there is no terminal to redraw one."""
DAY = 86_400.0
WINDOW = 30.0
"""Seconds over which speed is measured, so that a pause for a picture or a checkpoint does not look like slowness."""


class Bar:
    """Step, images a second, time to go, the main terms; redrawn in a terminal, now and then a line elsewhere."""

    def __init__(self, bar: Progress, steps: int, start: int, batch: int) -> None:
        self.bar, self.steps, self.batch = bar, steps, batch
        self.task = bar.add_task("", total=steps, completed=start, speed="", left="", note="")
        self.note = self.change = ""
        self.seen = deque([(time.monotonic(), start, 0.0)])
        """Seconds, step and seconds of waiting, about once a second, over the last `WINDOW` seconds."""
        self.speed, self.starved = 0.0, False
        self.printed = time.monotonic()

    def terms(self, means: Mapping[str, float | list[int]]) -> None:
        """Show the totals' parts; called when they are read."""
        shown = {k: v for k, v in means.items() if not (isinstance(v, list) or k.endswith(("/total", "/grad_norm")))}
        self.note = "  ".join(f"{key} {value:.3g}" for key, value in list(shown.items())[:6])

    def watched(self, means: Mapping[str, float]) -> None:
        """Show by how many grey levels translations of held-out images change."""
        self.change = f"change {means[CHANGE]:.0f}  " if CHANGE in means else ""

    def step(self, step: int, waited: float) -> None:
        """Show a finished step; `waited` is the total of seconds spent waiting for images."""
        now = time.monotonic()
        if now - self.seen[-1][0] > 1.0 or not self.speed:
            self.seen.append((now, step, waited))
            while len(self.seen) > 2 and now - self.seen[1][0] >= WINDOW:
                self.seen.popleft()
            then, step_then, waited_then = self.seen[0]
            elapsed = max(now - then, 1e-9)
            self.speed = (step - step_then) * self.batch / elapsed
            self.starved = (waited - waited_then) / elapsed > STARVED
            note = "waiting for data  " * self.starved + self.change + self.note
            to_go = duration((self.steps - step) * self.batch / self.speed)
            self.bar.update(self.task, speed=f"{self.speed:.1f} images/s", left=to_go, note=note)
        self.bar.update(self.task, completed=step)
        if not self.bar.console.is_terminal and now - self.printed > PLAIN_SECONDS:
            self.printed = now
            left = (self.steps - step) * self.batch / self.speed
            waiting = "  waiting for data" if self.starved else ""
            pace = f"{self.speed:.1f} images/s  {left / 60:.0f} min to go{waiting}"
            self.bar.console.print(
                f"step {step}/{self.steps}  {pace}  {self.change}{self.note}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )


def duration(seconds: float) -> str:
    """Return a time as hours, minutes and seconds, or from two days on as days."""
    if seconds >= 2 * DAY:
        return f"{seconds / DAY:.1f} days"
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


@contextmanager
def bar(console: Console, steps: int, start: int, batch: int) -> Iterator[Bar]:
    """Show a progress line on `console` for the duration of the context."""
    whole, cut = partial(Column, no_wrap=True), Column(no_wrap=True, overflow="ellipsis", ratio=1)
    columns = (
        BarColumn(bar_width=12, table_column=whole()),
        MofNCompleteColumn(table_column=whole()),
        TextColumn("{task.fields[speed]}", table_column=whole()),
        TextColumn("{task.fields[left]}", table_column=whole()),
        TextColumn("{task.fields[note]}", style="dim", markup=False, table_column=cut),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True, expand=True) as shown:
        yield Bar(shown, steps, start, batch)


class Screen:
    """A listener that prints lines, and in a terminal shows a bar for the work that is being done.

    Use it in a `with` statement, whose end removes the bar.
    """

    def __init__(self, console: Console, first: str = "") -> None:
        """Choose where to print.

        Args:
            console: no bar is drawn if it is no terminal.
            first: what is being done before the first event.
        """
        self.console, self.first = console, first
        self.shown = ExitStack()
        """What is on the terminal and goes with its end."""
        self._work: tuple[str, Progress] | None = None

    def __enter__(self) -> Self:
        if self.first:
            self.work(Worked(self.first, 0, 0))
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Noted):
            say(self.console, event.text)
        elif isinstance(event, Worked):
            self.work(event)

    def work(self, event: Worked) -> None:
        """Show how far a part of the work is, on a line that goes when it is done."""
        if not self.console.is_terminal:
            return
        if self._work is None or self._work[0] != event.what:
            self.close()
            name = TextColumn("{task.description}", style="progress.description", markup=False)  # of a run, perhaps
            columns = (name, BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
            bar = Progress(*columns, console=self.console, transient=True)
            bar.add_task(event.what)
            self._work = event.what, self.shown.enter_context(bar)
        _, bar = self._work
        bar.update(bar.task_ids[0], completed=event.done, total=event.total or None)
        if event.total and event.done >= event.total:
            self.close()

    def close(self) -> None:
        """Remove what is shown."""
        self.shown.close()
        self._work = None


def say(screen: Console, line: str) -> None:
    """Print a line whole, so that paths and commands in it can be copied."""
    screen.print(Message(line).spelled(spell), markup=False, highlight=False, soft_wrap=True)


class TrainScreen(Screen):
    """Shows a training, and lets signals stop it once it has begun."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.stop = threading.Event()
        self.reached = False
        """Whether the training came to its end."""
        self.bar: Bar | None = None

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Started):
            self.close()
            self.console.quiet = event.rank > 0
            self.shown.enter_context(stop_on_signals(self.stop))
            self.bar = self.shown.enter_context(bar(self.console, event.steps, event.step, event.batch))
        elif isinstance(event, Stepped) and self.bar:
            self.bar.step(event.step, event.waited)
        elif isinstance(event, Logged) and self.bar:
            self.bar.terms(event.values)
        elif isinstance(event, Watched) and self.bar:
            self.bar.watched(event.means)
        elif isinstance(event, Finished):
            self.reached = event.reached
            self.close()
        else:
            super().__call__(event)
