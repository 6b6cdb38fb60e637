"""A training by several processes of this machine: started here, heard through pipes, ended together.

Each process is `python -m instar.api.worker`. It is given its job, and later perhaps the word to stop, as lines on its
stdin; a stdin that ends, because this process has died, is the same word. What happens comes back as pickles on its
stdout: events from the first process, and how it ended from each.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml

from instar.core import registry
from instar.core.config import RunConfig, to_yaml
from instar.core.errors import Speller, UserError, call, setting
from instar.core.events import Event, Listener, Listeners, Stop
from instar.core.run import CONFIG, config_from

POLL = 0.1
"""Seconds between looks at whether to stop."""
GRACE = 2.0
"""Seconds that the others have to say what they know, once one process has failed."""
STOP = b"stop\n"


@dataclass(frozen=True)
class Job:
    """What to train."""

    config: RunConfig
    out: Path
    """The run directory."""
    fresh: bool
    """Whether the run is new, not resumed."""
    speller: Speller
    """Writes settings and calls in run.log: a function of a module."""
    checkpoint: Path | None = None
    """Of a run that goes on: from which it does; None for the last one."""
    allow_changes: bool = False
    """Whether a run may go on with other images."""
    said: tuple[str, ...] = ()
    """Lines to begin with, for people; settings are as in `Message.raw`."""

    def encoded(self) -> bytes:
        """Return it as one line."""
        job = {
            "config": to_yaml(self.config),
            "code": registry.code(self.config.name),
            "out": str(self.out),
            "fresh": self.fresh,
            "speller": f"{self.speller.__module__}:{self.speller.__qualname__}",
            "checkpoint": self.checkpoint and str(self.checkpoint),
            "allow_changes": self.allow_changes,
            "said": self.said,
        }
        return json.dumps(job).encode() + b"\n"

    @classmethod
    def decoded(cls, line: bytes) -> Job:
        """Return what was encoded in another process."""
        job = json.loads(line)
        if job["code"]:
            registry.restore(job["code"])
        module, name = job["speller"].split(":")
        speller: Speller = getattr(importlib.import_module(module), name)
        config, start = config_from(yaml.safe_load(job["config"]), Path("config")), job["checkpoint"]
        return cls(
            config,
            Path(job["out"]),
            job["fresh"],
            speller,
            start and Path(start),
            job["allow_changes"],
            tuple(job["said"]),
        )


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


Item = Event | Ended | Failed | Gone


class _RemoteError(Exception):
    """Shows the traceback of another process as the cause of an error."""


def run(job: Job, on_event: Listener, stop: Stop) -> None:
    """Train with `train.devices` processes, and return when all have ended.

    Args:
        job: what to train.
        on_event: told what happens, in this thread. If it raises, the step is finished and saved, and its error raised.
        stop: looked at several times a second; the processes then finish their step and save.

    Raises:
        UserError: as in one process; or a process ended by itself, which ends the others.
    """
    if not registry.portable(job.config.name):
        devices = setting("train.devices", job.config.train.devices)
        raise UserError(
            f"{devices}: other processes cannot import the class {registry.code(job.config.name)}; "
            "put it into a Python file of its own and give the file's path as the method"
        )
    listeners, told, count = Listeners(on_event), False, job.config.train.devices
    failures: dict[int, Failed | Gone] = {}
    with _started(job.encoded(), count) as (workers, items):
        left, deadline = set(range(count)), float("inf")
        while left and time.monotonic() < deadline:
            if not told and (stop.is_set() or listeners.error):
                told = True
                for worker in workers:
                    worker.stop()
            try:
                rank, item = items.get(timeout=POLL)
            except queue.Empty:
                continue
            if isinstance(item, (Failed, Gone, Ended)):
                left.discard(rank)
                if not isinstance(item, Ended):
                    failures[rank] = item
                    deadline = min(deadline, time.monotonic() + GRACE)
            else:
                listeners(item)
        if failures:
            _raise(failures, workers, job)
    listeners.raise_error()


class _Worker:
    """One of the processes."""

    def __init__(self, rank: int, count: int, port: int, items: queue.Queue[tuple[int, Item]]) -> None:
        self.rank = rank
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `end`)
        ranks = {"RANK": rank, "LOCAL_RANK": rank, "NODE_RANK": 0, "GROUP_RANK": 0, "WORLD_SIZE": count}
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        # A session of its own: Ctrl-C in a terminal is for the process that decides what it means.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "instar.api.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            start_new_session=True,
            env={**os.environ, **{name: str(value) for name, value in {**ranks, **where}.items()}, "PYTHONPATH": path},
        )
        self.reader = threading.Thread(target=self._read, args=(items,), name="instar-worker", daemon=True)
        self.reader.start()

    def send(self, line: bytes) -> None:
        """Write a line to it, if it still lives."""
        stdin = self.process.stdin
        assert stdin is not None
        with suppress(OSError):
            stdin.write(line)
            stdin.flush()

    def stop(self) -> None:
        """Ask it to finish its step and save."""
        self.send(STOP)

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

    def _read(self, items: queue.Queue[tuple[int, Item]]) -> None:
        stdout = self.process.stdout
        assert stdout is not None
        item: Any = None
        with suppress(EOFError, pickle.UnpicklingError, OSError, ValueError):
            while not isinstance(item, (Ended, Failed)):
                item = pickle.load(stdout)
                items.put((self.rank, item))
        if not isinstance(item, (Ended, Failed)):
            items.put((self.rank, Gone(self.process.wait())))


@contextmanager
def _started(job: bytes, count: int) -> Iterator[tuple[list[_Worker], queue.Queue[tuple[int, Item]]]]:
    """Start the processes and give them the job. Afterwards none is left."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    items: queue.Queue[tuple[int, Item]] = queue.Queue()
    workers: list[_Worker] = []
    try:
        for rank in range(count):
            workers.append(_Worker(rank, count, port, items))
        for worker in workers:
            worker.send(job)
        yield workers, items
        for worker in workers:
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(GRACE)
    finally:
        for worker in workers:
            worker.end()


def _raise(failures: dict[int, Failed | Gone], workers: list[_Worker], job: Job) -> None:
    """Raise what explains the end best: the user's error, else a process that went, else the first other error."""
    raised = [failure for failure in failures.values() if isinstance(failure, Failed)]
    errors = [failure for failure in raised if isinstance(failure.error, UserError)]
    gone = [(rank, failure) for rank, failure in failures.items() if isinstance(failure, Gone)]
    if gone and not errors:
        rank, failure = gone[0]
        raise UserError(_gone(rank, failure.code, workers[rank].last_words(), job))
    chosen = (errors or raised)[0]
    raise chosen.error from _RemoteError(chosen.traceback)


def _gone(rank: int, code: int, last_words: str, job: Job) -> str:
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    said = f": {last_words}" if last_words else ""
    after = f"; go on with: {call('resume', job.out)}" if (job.out / CONFIG).is_file() else ""
    return f"process {rank + 1} of {job.config.train.devices} {how}{said}; the others were ended too{after}"
