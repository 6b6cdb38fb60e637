"""What became of each input: counted, and written as one line of JSON for each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any, NamedTuple

from instar.core.errors import Message, Speller, in_python
from instar.core.raster import Picture
from instar.core.stack import Stack
from instar.inference.jobs import Job

Read = Picture | Stack


class Failure(NamedTuple):
    """A result that there is not.

    Attributes:
        file: the input.
        reason: one line.
    """

    file: str
    reason: Message


class Tally:
    """Counts results, and writes the line of each as soon as those of all earlier inputs are written.

    Attributes:
        ok: results that were written.
        failed: those that were not.
        ignored: inputs that are no images.
        lacking: what could not be kept of inputs, in words.
    """

    def __init__(
        self,
        file: IO[str],
        tick: Callable[[], None],
        table: IO[str] | None = None,
        columns: Sequence[str] = (),
        spell: Speller = in_python,
    ) -> None:
        """Make one without results.

        Args:
            file: for the lines.
            tick: called for each result.
            table: for the rows of the results, as CSV.
            columns: of the table.
            spell: how settings are written in the reasons of failures.
        """
        self.file, self.tick, self.table, self.spell = file, tick, table, spell
        self.ok = self.ignored = 0
        self.failed: list[Failure] = []
        self.lacking: dict[str, dict[str, None]] = {}
        self._early: dict[int, tuple[str, str]] = {}
        self._next = 0
        if table:
            table.write(_csv([columns]))

    def ignore(self, number: int, job: Job) -> None:
        """Note a file that is no image."""
        self.ignored += 1
        self._write(number, {"input": job.source, "output": None, "status": "ignored", **_kind(None)})

    def fail(self, number: int, job: Job, reason: str, image: Read | None = None) -> None:
        """Note an image that could not be read, translated or written."""
        failure = Failure(job.source, Message(reason))
        self.failed.append(failure)
        error = failure.reason.spelled(self.spell)
        self._write(number, {"input": job.source, "output": None, "status": "failed", **_kind(image), "error": error})
        self.tick()

    def done(
        self,
        number: int,
        job: Job,
        image: Read,
        rows: Iterable[Sequence[object]] = (),
        notes: Sequence[str] = (),
    ) -> None:
        """Note an image that was translated and written, what of it is for the table, and what could not be kept."""
        self._note_done(number, job, _kind(image), rows, notes)

    def done_file(self, number: int, job: Job, facts: Mapping[str, Any], notes: Sequence[str]) -> None:
        """Note a file that was translated and written, what is to be known of it, and what could not be kept."""
        self._note_done(number, job, facts, (), notes)

    def _note_done(
        self,
        number: int,
        job: Job,
        facts: Mapping[str, Any],
        rows: Iterable[Sequence[object]],
        notes: Sequence[str],
    ) -> None:
        self.ok += 1
        line = {"input": job.source, "output": job.output, "status": "ok", **facts}
        if notes:
            self.lacking.setdefault(job.source, {}).update(dict.fromkeys(notes))
            line["note"] = "; ".join(notes)
        self._write(number, line, _csv(rows))
        self.tick()

    def flush(self) -> None:
        """Write what is left after a stop, when some earlier inputs were never reached."""
        for number in sorted(self._early):
            self._put(number)
        self.file.flush()

    def _write(self, number: int, line: dict[str, Any], rows: str = "") -> None:
        self._early[number] = json.dumps(line) + "\n", rows
        while self._next in self._early:
            self._put(self._next)
            self._next += 1
        self.file.flush()

    def _put(self, number: int) -> None:
        line, rows = self._early.pop(number)
        self.file.write(line)
        if self.table:
            self.table.write(rows)


def _csv(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _kind(image: Read | None) -> dict[str, Any]:
    pages = {"pages": len(image.pages)} if isinstance(image, Stack) else {}
    return {key: getattr(image, key, None) for key in ("width", "height", "mode")} | pages
