"""What became of each input: counted, and written as one line of JSON for each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any, Literal, NamedTuple

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


class Entry(NamedTuple):
    """What became of a job, in plain values: it may have been done by another process.

    Attributes:
        status: as in the manifest.
        facts: what its line says beside the names and the status.
        rows: of the table, as CSV.
        notes: what could not be kept.
        reason: why there is no result, with settings as in `Message.raw`.
    """

    status: Literal["ok", "failed", "ignored"]
    facts: Mapping[str, Any]
    rows: str = ""
    notes: tuple[str, ...] = ()
    reason: str = ""


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
        self.enter(number, job, Entry("ignored", _kind(None)))

    def fail(self, number: int, job: Job, reason: str, image: Read | None = None) -> None:
        """Note an image that could not be read, translated or written."""
        self.enter(number, job, Entry("failed", _kind(image), reason=reason))

    def done(
        self,
        number: int,
        job: Job,
        image: Read,
        rows: Iterable[Sequence[object]] = (),
        notes: Sequence[str] = (),
    ) -> None:
        """Note an image that was translated and written, what of it is for the table, and what could not be kept."""
        self.enter(number, job, Entry("ok", _kind(image), _csv(rows), tuple(notes)))

    def done_file(self, number: int, job: Job, facts: Mapping[str, Any], notes: Sequence[str]) -> None:
        """Note a file that was translated and written, what is to be known of it, and what could not be kept."""
        self.enter(number, job, Entry("ok", facts, notes=tuple(notes)))

    def enter(self, number: int, job: Job, entry: Entry) -> None:
        """Count a job, and write its line."""
        done = entry.status == "ok"
        line = {"input": job.source, "output": job.output if done else None, "status": entry.status, **entry.facts}
        if entry.status == "ignored":
            self.ignored += 1
        elif done:
            self.ok += 1
            if entry.notes:
                self.lacking.setdefault(job.source, {}).update(dict.fromkeys(entry.notes))
                line["note"] = "; ".join(entry.notes)
        else:
            failure = Failure(job.source, Message(entry.reason))
            self.failed.append(failure)
            line["error"] = failure.reason.spelled(self.spell)
        self._write(number, line, entry.rows)
        if entry.status != "ignored":
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


class Entries(Tally):
    """Keeps what became of jobs, for somebody else's tally.

    Attributes:
        found: by the number of the job.
    """

    def __init__(self) -> None:
        super().__init__(io.StringIO(), lambda: None)
        self.found: dict[int, Entry] = {}

    def enter(self, number: int, job: Job, entry: Entry) -> None:
        """Keep it."""
        self.found[number] = entry


def _csv(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _kind(image: Read | None) -> dict[str, Any]:
    pages = {"pages": len(image.pages)} if isinstance(image, Stack) else {}
    return {key: getattr(image, key, None) for key in ("width", "height", "mode")} | pages
