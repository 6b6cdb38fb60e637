"""Trainings as processes of their own, so that memory and crashes are each one's own: here or on a Ray cluster."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from instar.cluster.connect import connected
from instar.core.errors import UserError
from instar.core.events import Stop
from instar.core.files import lock

POLL = 0.2
"""Seconds between looks at the processes."""
STOPPED = 130
"""Exit code of what was asked to stop."""

Say = Callable[[str], None]
STOPPING = "stopping: each training finishes its step and saves"


@dataclass(frozen=True)
class Training:
    """A process to be run."""

    title: str
    arguments: tuple[str, ...]
    """Of the command `instar`."""
    log: Path
    """File for what it prints. Who writes it has it locked, so that no second process trains the same run."""
    gpus: int | None = 0
    """GPUs to be reserved in a cluster; None takes one where the cluster has any."""


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    title: str
    code: int
    said: str
    """Its last line."""
    stopped: bool = False
    """Whether it did not end, or begin, because all were asked to stop."""


class Child:
    """A training that runs."""

    def __init__(self, training: Training, threads: int | None) -> None:
        """Start it. A `UserError` says that another process is at it, or that nothing can be written."""
        with _opened(training.log) as log:
            if not lock(log):
                raise UserError(f"another process is training it; what it prints is in {training.log}")
            self.output = training.log.open("rb")
            self.output.seek(0, os.SEEK_END)
            # A session of its own: Ctrl-C in a terminal would reach it a second time, and end it without saving.
            self.process = subprocess.Popen(
                [sys.executable, "-m", "instar.cli", *training.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "COLUMNS": "200"} | ({"OMP_NUM_THREADS": str(threads)} if threads else {}),
            )
        self.title = training.title
        self.said = ""
        self.rest = b""

    def lines(self) -> list[str]:
        """Return the whole lines that it has printed since the last call."""
        *whole, self.rest = (self.rest + self.output.read()).split(b"\n")
        found = [line.decode(errors="replace").rstrip() for line in whole if line.strip()]
        self.said = found[-1] if found else self.said
        return found


def run_here(trainings: Sequence[Training], at_once: int, threads: int | None, say: Say, stop: Stop) -> list[Outcome]:
    """Run trainings on this machine, `at_once` side by side; one that fails does not stop the others.

    An exception, such as that of Ctrl-C, ends them at once.

    Args:
        trainings: in this order.
        at_once: processes at a time.
        threads: of each process; None leaves them to PyTorch and to the environment.
        say: is given each line that they print, with the title before it.
        stop: once it is set, each training finishes its step and saves, and no other begins.
    """
    waiting, ended = deque(trainings), []
    running: list[Child] = []
    told = False
    try:
        while running or (waiting and not stop.is_set()):
            if stop.is_set() and not told:
                say(STOPPING)
                told = True
                for child in running:
                    child.process.terminate()
            while waiting and len(running) < at_once and not stop.is_set():
                training = waiting.popleft()
                try:
                    running.append(Child(training, threads))
                except UserError as error:
                    ended.append(Outcome(training.title, 2, str(error)))
            time.sleep(POLL)
            for child in list(running):
                code = child.process.poll()
                for line in child.lines():
                    say(f"{child.title}: {line}")
                if code is not None:
                    running.remove(child)
                    child.output.close()
                    ended.append(Outcome(child.title, code, child.said, stopped=stop.is_set() and code != 0))
    finally:
        for child in running:
            child.process.kill()
    return ended + [Outcome(training.title, STOPPED, "not begun", stopped=True) for training in waiting]


def run_on_ray(trainings: Sequence[Training], address: str, threads: int | None, say: Say, stop: Stop) -> list[Outcome]:
    """Run trainings on a Ray cluster, as many at a time as it has room for; stopping is as in `run_here`.

    Args:
        trainings: in this order.
        address: of the cluster, as of `connected`.
        threads: CPUs that are reserved for each training, one if None.
        say: is given how each ended. What they print, Ray prints.
        stop: as of `run_here`.
    """
    ended = []
    with connected(address) as ray:
        spare = 1 if ray.cluster_resources().get("GPU") else 0
        pending: dict[Any, Training] = {}
        for training in trainings:
            gpus = spare if training.gpus is None else training.gpus
            task = ray.remote(num_cpus=threads or 1, num_gpus=gpus, max_retries=0)(_train)
            pending[task.remote(training, threads or 1)] = training
        told = False
        while pending:
            done, _ = ray.wait(list(pending), timeout=POLL)
            if stop.is_set() and not told:
                say(STOPPING)
                told = True
                for task in pending:
                    ray.cancel(task, force=False)
            for task in done:
                ended.append(_result(ray, task, pending.pop(task)))
                say(f"{ended[-1].title}: {ended[-1].said}")
    return ended


def _train(training: Training, threads: int) -> Outcome:
    """Run one training; this is what a machine of the cluster is given. `ray.cancel` comes as a KeyboardInterrupt."""

    def say(line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:  # the interrupt comes to the main thread alone
        running = pool.submit(run_here, [training], 1, threads, say, stop)
        while True:
            try:
                while not running.done():
                    wait([running], POLL)  # Ray's interrupt is seen between two waits, it ends none
                return running.result()[0]
            except KeyboardInterrupt:
                stop.set()


def _result(ray: Any, task: Any, training: Training) -> Outcome:
    try:
        outcome: Outcome = ray.get(task)
    except ray.exceptions.TaskCancelledError:
        return Outcome(training.title, STOPPED, "stopped", stopped=True)
    except ray.exceptions.RayError as error:  # the machine has gone, or it has no Instar
        return Outcome(training.title, 1, str(error).strip().splitlines()[-1])
    return outcome


def _opened(path: Path) -> IO[bytes]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
