"""One line that says where a run stands."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

STARVED = 0.2
"""Share of the time spent waiting for images above which the line says so."""
PLAIN_SECONDS = 30.0
"""Time between lines where there is no terminal to redraw one."""
WINDOW = 30.0
"""Seconds over which speed is measured, so that a pause for a picture or a checkpoint does not look like slowness."""


class Bar:
    """Step, images a second, time to go, the main terms; redrawn in a terminal, now and then a line elsewhere."""

    def __init__(self, bar: Progress, steps: int, start: int, batch: int) -> None:
        self.bar, self.steps, self.batch = bar, steps, batch
        self.task = bar.add_task("", total=steps, completed=start, speed="", note="")
        self.note = ""
        self.seen = deque([(time.monotonic(), start, 0.0)])
        """Seconds, step and seconds of waiting, about once a second, over the last `WINDOW` seconds."""
        self.speed, self.starved = 0.0, False
        self.printed = time.monotonic()

    def terms(self, means: dict[str, float]) -> None:
        """Show the totals' parts; called when they are read."""
        shown = {k: v for k, v in means.items() if not k.endswith(("/total", "/grad_norm"))}
        self.note = "  ".join(f"{key} {value:.3g}" for key, value in list(shown.items())[:6])

    def step(self, step: int, waited: float) -> None:
        """Show a finished step; `waited` is the total of seconds spent waiting for images."""
        now = time.monotonic()
        if now - self.seen[-1][0] > 1.0:
            self.seen.append((now, step, waited))
            while len(self.seen) > 2 and now - self.seen[1][0] >= WINDOW:
                self.seen.popleft()
            then, step_then, waited_then = self.seen[0]
            self.speed = (step - step_then) * self.batch / (now - then)
            self.starved = (waited - waited_then) / (now - then) > STARVED
            note = "waiting for data  " + self.note if self.starved else self.note
            self.bar.update(self.task, speed=f"{self.speed:.1f} images/s", note=note)
        self.bar.update(self.task, completed=step)
        if not self.bar.console.is_terminal and now - self.printed > PLAIN_SECONDS:
            self.printed = now
            left = (self.steps - step) * self.batch / self.speed if self.speed else 0.0
            waiting = "  waiting for data" if self.starved else ""
            self.bar.console.print(
                f"step {step}/{self.steps}  {self.speed:.1f} images/s  {left / 60:.0f} min to go{waiting}  {self.note}",
                highlight=False,
            )


@contextmanager
def bar(console: Console, steps: int, start: int, batch: int) -> Iterator[Bar]:
    """Show a progress line on `console` for the duration of the context."""
    columns = (
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as shown:
        yield Bar(shown, steps, start, batch)
