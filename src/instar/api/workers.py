"""Processes of this machine that are started here, heard through pipes, and ended together.

What they write to stdout are pickles: results, and how they ended. Their stdin is read by them as they like; one that
ends, because this process has died, is the word to end.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True)
class Ended:
    """A process has done its part."""


@dataclass(frozen=True)
class Failed:
    """A process has raised."""

    error: Exception
    traceback: str


@dataclass(frozen=True)
class Gone:
    """A process has ended without a word."""

    code: int

    def __str__(self) -> str:
        killed = self.code < 0
        return f"was ended by {signal.Signals(-self.code).name}" if killed else f"ended with exit code {self.code}"


class RemoteError(Exception):
    """Shows the traceback of another process as the cause of an error."""


def shared_out(count: int) -> dict[str, object]:
    """Return variables by which so many processes share out the processors, where nothing else was asked for.

    A thread that waits for others sleeps: on a busy machine one that spins takes the time that they need.
    """
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted: dict[str, object] = {"OMP_NUM_THREADS": max(1, there // count), "OMP_WAIT_POLICY": "PASSIVE"}
    return {name: value for name, value in wanted.items() if name not in os.environ}


class Worker:
    """One of the processes."""

    def __init__(
        self, rank: int, module: str, variables: Mapping[str, object], items: queue.Queue[tuple[int, Any]]
    ) -> None:
        """Start it.

        Args:
            rank: its number, from 0.
            module: what it runs.
            variables: of its environment, beside those of this process.
            items: where what it says is put, behind its number; last an `Ended`, `Failed` or `Gone`.
        """
        self.rank = rank
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `end`)
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        # A session of its own: Ctrl-C in a terminal is for the process that decides what it means.
        self.process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            start_new_session=True,
            env={**os.environ, **{name: str(value) for name, value in variables.items()}, "PYTHONPATH": path},
        )
        self.reader = threading.Thread(target=self._read, args=(items,), name="instar-worker", daemon=True)
        self.reader.start()

    def send(self, words: bytes) -> None:
        """Write to it, if it still lives."""
        stdin = self.process.stdin
        assert stdin is not None
        with suppress(OSError):
            stdin.write(words)
            stdin.flush()

    def last_words(self) -> str:
        """Return the last line that it wrote to stderr."""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def end(self) -> None:
        """End it if it has not ended, and free what it held."""
        with suppress(OSError):
            self.process.kill()
        self.process.wait()
        self.reader.join()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _read(self, items: queue.Queue[tuple[int, Any]]) -> None:
        stdout = self.process.stdout
        assert stdout is not None
        item: Any = None
        with suppress(EOFError, pickle.UnpicklingError, OSError, ValueError):
            while not isinstance(item, (Ended, Failed)):
                item = pickle.load(stdout)
                items.put((self.rank, item))
        if not isinstance(item, (Ended, Failed)):
            items.put((self.rank, Gone(self.process.wait())))
