"""What a run writes about itself: metrics.jsonl, TensorBoard events, run.log. None of it can stop the run.

Each writer is a listener. One that fails says so once and writes no more.
"""

from __future__ import annotations

import json
import os
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any, ClassVar

from instar.core.errors import Speller, in_python
from instar.core.events import Event, Listener, Logged, Noted, Pictured, Scored, Started, Watched, warning
from instar.core.files import open_new, open_own, own_folder, read_own, replacing
from instar.core.plain import read_json

Row = Mapping[str, float | list[int]]


class Writer(ABC):
    """A listener that writes what happens into the run directory."""

    title: ClassVar[str]
    """What it writes, for the line that says that it cannot."""

    def __init__(self, run: Path, say: Listener) -> None:
        """Write into the directory `run`, which exists; `say` is told when that is not possible."""
        self.run, self._say = run, say
        self._failed = False

    def __call__(self, event: Event) -> None:
        """Write what is to be written of an event."""
        if self._failed:
            return
        try:
            self.write(event)
        except Exception as error:  # whatever it is, training is worth more than its log
            self._failed = True
            self._say(warning(f"{self.title} cannot be written any more ({error}); training goes on"))

    @abstractmethod
    def write(self, event: Event) -> None:
        """Write an event; whatever this raises ends the writing."""


class Metrics(Writer):
    """metrics.jsonl: a line of numbers for each interval, and for each time that the run was scored."""

    title = "metrics.jsonl"

    def write(self, event: Event) -> None:
        """Append a row. Where a run goes on, what an interrupted one wrote beyond its checkpoint is cut off."""
        path = self.run / "metrics.jsonl"
        if isinstance(event, Started):
            _cut(path, event.step)
        row = row_of(event)
        if row:
            with open_own(path, "ab") as file:
                file.write(json.dumps(row).encode() + b"\n")


class Board(Writer):
    """TensorBoard events: the same numbers, counts as shares of their sum, and the sample pictures.

    They are written at once: TensorBoard's own writer has a thread, of whose errors nobody hears but the terminal.
    """

    title = "TensorBoard"

    def __init__(self, run: Path, say: Listener) -> None:
        super().__init__(run, say)
        self._file: IO[bytes] | None = None

    def write(self, event: Event) -> None:
        """Add numbers or a picture."""
        if isinstance(event, Started):
            self._begin(event.step)
        elif isinstance(event, Pictured):
            from torch.utils.tensorboard.summary import image  # noqa: PLC0415  (seconds of import)

            self._add(event.step, image("samples", event.picture, dataformats="HWC"))  # type: ignore[no-untyped-call]
        elif isinstance(event, (Logged, Scored, Watched)):
            from torch.utils.tensorboard.summary import scalar  # noqa: PLC0415

            for name, number in scalars(row_of(event)):
                self._add(event.step, scalar(name, number))  # type: ignore[no-untyped-call]

    def _begin(self, step: int) -> None:
        """Open a new file. What others say of later steps, of a run that was interrupted, is not shown any more."""
        from tensorboard.compat.proto.event_pb2 import SessionLog  # noqa: PLC0415

        folder = self.run / "tensorboard"
        own_folder(folder)
        self._file = open_new(folder / f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}")
        self._put(file_version="brain.Event:2")
        self._put(step=step + 1, session_log=SessionLog(status=SessionLog.START))

    def _add(self, step: int, summary: Any) -> None:
        self._put(step=step, summary=summary)

    def _put(self, **fields: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event as Record  # noqa: PLC0415
        from tensorboard.summary.writer.record_writer import RecordWriter  # noqa: PLC0415

        if self._file:
            RecordWriter(self._file).write(Record(wall_time=time.time(), **fields).SerializeToString())
            self._file.flush()

    def close(self) -> None:
        """Close what is open."""
        if self._file:
            with suppress(OSError):  # a full disk, which was said
                self._file.close()


class Log(Writer):
    """run.log: every line for people, with the time before it."""

    title = "run.log"

    def __init__(self, run: Path, say: Listener, speller: Speller = in_python) -> None:
        """`speller` writes settings and calls in the lines."""
        super().__init__(run, say)
        self._speller = speller

    def write(self, event: Event) -> None:
        """Append a line."""
        if isinstance(event, Noted):
            now = datetime.now().isoformat(" ", "milliseconds").replace(".", ",")
            with open_own(self.run / "run.log", "ab") as file:
                file.write(f"{now} {event.level.upper()} {event.text.spelled(self._speller)}\n".encode())


def row_of(event: Event) -> Row:
    """Return the numbers of an event with their step; empty if it has none."""
    if isinstance(event, Logged):
        pace = {"step": event.step, "seconds": event.seconds, "images_per_second": event.images_per_second}
        return {**pace, **event.values}
    if isinstance(event, Watched):
        each = {f"{name} to {to}": one for to, values in event.values.items() for name, one in values.items()}
        named = {**event.means, **(each if len(event.values) > 1 else {})}
        return {"step": event.step, **{f"held-out/{name}": value for name, value in named.items()}}
    return {"step": event.step, **event.scores} if isinstance(event, Scored) else {}


def scalars(row: Row) -> Iterator[tuple[str, float]]:
    """Yield names and numbers; counts become shares of their sum."""
    for name, value in row.items():
        if isinstance(value, list):
            yield from ((f"{name}/{i}", count / max(1, sum(value))) for i, count in enumerate(value))
        elif name != "step":
            yield name, value


def _cut(path: Path, step: int) -> None:
    """Drop the rows after `step`, and a last line that a kill left unfinished.

    What is kept is copied to a new file that takes the place of the old one: at no moment are rows missing.
    """
    if not path.exists():
        return
    with read_own(path) as file:
        lines = file.read().splitlines(keepends=True)
    kept = [line for line in lines if line.endswith(b"\n") and _is_row(line, step)]
    if len(kept) < len(lines):
        with replacing(path) as file:
            file.writelines(kept)


def _is_row(line: bytes, step: int) -> bool:
    """Return whether a line is a whole row of a step up to `step`."""
    try:
        return bool(read_json(line)["step"] <= step)
    except (ValueError, TypeError, KeyError):
        return False
