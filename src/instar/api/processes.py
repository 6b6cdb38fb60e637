"""A training by several processes of this machine: started here, heard through pipes, ended together.

Each process is `python -m instar.api.worker`. It is given its job, and later perhaps the word to stop, as lines on its
stdin; a stdin that ends, because this process has died, is the same word. What happens comes back as pickles on its
stdout: events from the first process, and how it ended from each.
"""

from __future__ import annotations

import importlib
import json
import queue
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from instar.api.workers import Ended, Failed, Gone, RemoteError, Worker, shared_out
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


Item = Event | Ended | Failed | Gone


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
                    worker.send(STOP)
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


@contextmanager
def _started(job: bytes, count: int) -> Iterator[tuple[list[Worker], queue.Queue[tuple[int, Item]]]]:
    """Start the processes and give them the job. Afterwards none is left."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    items: queue.Queue[tuple[int, Item]] = queue.Queue()
    workers: list[Worker] = []
    try:
        for rank in range(count):
            ranks = {"RANK": rank, "LOCAL_RANK": rank, "NODE_RANK": 0, "GROUP_RANK": 0, "WORLD_SIZE": count}
            where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            workers.append(Worker(rank, "instar.api.worker", {**shared_out(count), **ranks, **where}, items))
        for worker in workers:
            worker.send(job)
        yield workers, items
        for worker in workers:
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(GRACE)
    finally:
        for worker in workers:
            worker.end()


def _raise(failures: dict[int, Failed | Gone], workers: list[Worker], job: Job) -> None:
    """Raise what explains the end best: the user's error, else a process that went, else the first other error."""
    raised = [failure for failure in failures.values() if isinstance(failure, Failed)]
    errors = [failure for failure in raised if isinstance(failure.error, UserError)]
    gone = [(rank, failure) for rank, failure in failures.items() if isinstance(failure, Gone)]
    if gone and not errors:
        rank, failure = gone[0]
        raise UserError(_gone(rank, failure, workers[rank].last_words(), job))
    chosen = (errors or raised)[0]
    raise chosen.error from RemoteError(chosen.traceback)


def _gone(rank: int, how: Gone, last_words: str, job: Job) -> str:
    said = f": {last_words}" if last_words else ""
    after = f"; go on with: {call('resume', job.out)}" if (job.out / CONFIG).is_file() else ""
    return f"process {rank + 1} of {job.config.train.devices} {how}{said}; the others were ended too{after}"
