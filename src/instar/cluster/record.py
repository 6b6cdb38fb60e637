"""What of a translation is done, beside its results: a repetition does the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from instar.core.errors import UserError
from instar.core.files import write_atomically
from instar.core.member import Member, written
from instar.inference.jobs import Job
from instar.inference.manifest import Entry

FOLDER = ".instar-done"
"""In the folder of the results."""
Stamp = tuple[int, int]
"""Bytes of a file, and when it was written."""


class Known(NamedTuple):
    """A job that was done.

    Attributes:
        given: stamp of its input.
        made: stamp of its result; None for a file that is no image.
        entry: what became of it.
    """

    given: Stamp
    made: Stamp | None
    entry: Entry

    def holds(self, job: Job, out: Path) -> bool:
        """Return whether input and result are as they were then."""
        try:
            return (_input(job), _result(job, out)) == (self.given, self.made)
        except UserError:
            return False


class Record:
    """The jobs of one translation that are done: a file for each part, whole or not at all."""

    def __init__(self, out: Path, identity: str) -> None:
        """Name a record.

        Args:
            out: folder for the results.
            identity: of the translation; those with other settings have others.
        """
        self._out = out
        self._folder = out / FOLDER / sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def read(self) -> dict[str, Known]:
        """Return what is known, by `key`. What cannot be read is not known, and will be done again."""
        with suppress(OSError):
            files = sorted(self._folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
            return dict(pair for file in files for pair in _pairs(file))
        return {}

    def write(self, jobs: Sequence[Job], entries: Sequence[Entry]) -> None:
        """Note a part. Jobs that failed are left out: a repetition tries them again.

        Raises:
            UserError: the record cannot be written.
        """
        lines = []
        for job, entry in zip(jobs, entries, strict=True):
            if entry.status != "failed":
                with suppress(UserError):  # changed or gone meanwhile: it is done again
                    lines.append(json.dumps([key(job), Known(_input(job), _result(job, self._out), entry)]) + "\n")
        name = sha256("\0".join(map(key, jobs)).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        file = self._folder / f"{name}.jsonl"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(file, "".join(lines).encode())
        except OSError as error:
            raise UserError(f"cannot write {file}: {error.strerror}") from error


def key(job: Job) -> str:
    """Return what a job is known by."""
    return f"{job.source}\0{job.output}"


def _pairs(file: Path) -> list[tuple[str, Known]]:
    with suppress(OSError, ValueError, TypeError):
        return [(name, _known(*values)) for name, values in map(json.loads, file.read_bytes().splitlines())]
    return []


def _known(given: Sequence[int], made: Sequence[int] | None, entry: Sequence[Any]) -> Known:
    status, facts, rows, notes, reason = entry
    if not isinstance(facts, Mapping):
        raise TypeError
    stamps = [None if one is None else (int(one[0]), int(one[1])) for one in (given, made)]
    assert stamps[0] is not None
    return Known(stamps[0], stamps[1], Entry(status, facts, str(rows), tuple(notes), str(reason)))


def _input(job: Job) -> Stamp:
    return job.file.written() if isinstance(job.file, Member) else written(job.file)


def _result(job: Job, out: Path) -> Stamp | None:
    return written(out / job.output) if job.output else None
