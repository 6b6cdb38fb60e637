"""Trainings: processes that go on without the studio, and are found again by what lies in the folder.

A training is `instar train` in a session of its own. While it lives it holds the lock of the file that it prints into,
and, once its run directory is made, that of the run: who starts later sees by these that it lives, and whom to ask to
stop.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal
from urllib.parse import quote, unquote

import psutil

from instar.core.config import RunConfig
from instar.core.errors import UserError
from instar.core.files import lock, open_own, own_folder, read_own
from instar.core.registry import get
from instar.core.run import CONFIG, LOCK, checkpoints, owner, read_config
from instar.studio.root import Root

LOGS = "logs"
TAIL = 1 << 16
"""Bytes at the end of a file in which its last lines are looked for."""
_OWNER = re.compile(r"process (\d+) on (.+)")
_SAID = "instar: "
"""Begins the line of a command that could not do what it was asked for."""

State = Literal["starting", "training", "stopped", "finished", "failed"]


@dataclass(frozen=True)
class Status:
    """Where a training stands.

    Attributes:
        name: of the run, as pages call it.
        state: failed: it ended before there was a run.
        method: its title; empty as long as there is no run.
        step: steps done, by the last number that was written.
        steps: length of the run.
        seconds: to go; None if that is not known, or nobody trains.
        said: why it ended, in its own words.
    """

    name: str
    state: State
    method: str = ""
    step: int = 0
    steps: int = 0
    seconds: float | None = None
    said: str = ""


class Jobs:
    """The trainings in a folder."""

    def __init__(self, root: Root) -> None:
        """Look after the trainings in `root`, whoever started them."""
        self.root = root
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = Lock()

    def start(self, run: Path, arguments: Sequence[str]) -> str:
        """Begin a training in a process of its own, and return the name of its run.

        Args:
            run: its directory, in the folder.
            arguments: of `instar train`.

        Raises:
            UserError: one is at work there, or nothing can be written.
        """
        name = self.root.name(run)
        with self._lock:
            try:
                self._run(name, arguments)
            except OSError as error:
                raise UserError(f"{name}: no training can be started ({error.strerror})") from error
        return name

    def stop(self, name: str) -> None:
        """Ask a training to finish its step, save, and end.

        Raises:
            UserError: nobody trains there, or not on this machine.
        """
        run, child = self.root.path / name, self._child(name)
        said = owner(run) if self.root.holds(run) else None
        if said is None:
            if child is None:
                raise UserError(f"{name or 'no run chosen'}: no training is at work there")
            child.terminate()
            return
        found = _OWNER.fullmatch(said)
        if not found or found[2] != socket.gethostname():
            raise UserError(f"{name}: {said or 'somebody'} trains there, whom this machine cannot ask to stop")
        try:
            os.kill(_process(int(found[1]), run), signal.SIGTERM)
        except (ProcessLookupError, PermissionError) as error:
            raise UserError(f"{name}: {said} cannot be asked to stop ({error.strerror})") from error

    def all(self) -> list[Status]:
        """Return where all trainings stand, the newest run first; before them those that have no run yet."""
        runs = self.root.runs()
        begun = [name for name in self._logged() if name not in runs]
        found = [self.status(name) for name in [*begun, *runs]]
        return [status for status in found if status is not None]

    def status(self, name: str) -> Status | None:
        """Return where a training stands; None if there is no such run and none was started."""
        run, child = self.root.path / name, self._child(name)
        alive = child is not None or self._is_held(name)
        if not (run / CONFIG).is_file():
            if name not in self._logged():
                return None
            return Status(name, "starting") if alive else Status(name, "failed", said=self._last_line(name))
        try:
            config = _config(run / CONFIG, (run / CONFIG).stat().st_mtime_ns)
            kind = get(config.name)
        except (UserError, OSError) as error:
            return Status(name, "stopped", said=str(error))
        last, timed = _numbers(run)
        saved = [int(path.name.rpartition("-")[2]) for path in checkpoints(run)[-1:]]
        step, steps = max([last, *saved]), config.train.steps
        state: State = "training" if owner(run) is not None else "finished" if step >= steps else "stopped"
        if state == "stopped" and alive:
            state = "starting"
        left = timed * (steps - step) if state == "training" and timed else None
        said = self._failure(name) if state == "stopped" else ""
        return Status(name, state, kind.title or kind.__name__, step, steps, left, said)

    def _run(self, name: str, arguments: Sequence[str]) -> None:
        own_folder(self.root.own)
        own_folder(self.root.own / LOGS)
        path = self._log(name)
        with open_own(path, "r+b") as log:
            if not lock(log) or self._child(name):
                raise UserError(f"{name}: another training is at work there")
            log.truncate(0)
            self._children[name] = subprocess.Popen(
                [sys.executable, "-m", "instar.cli", "train", *arguments],
                cwd=self.root.path,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # neither Ctrl-C for the studio nor its end reaches it
                env={**os.environ, "COLUMNS": "200", "PYTHONPATH": _path()},
            )

    def _child(self, name: str) -> subprocess.Popen[bytes] | None:
        """Return a process that this studio has started, if it still lives."""
        child = self._children.get(name)
        return child if child is not None and child.poll() is None else None

    def _log(self, name: str) -> Path:
        return self.root.own / LOGS / f"{quote(name, safe='')}.log"

    def _logged(self) -> list[str]:
        folder = self.root.own / LOGS
        return [unquote(path.stem) for path in sorted(folder.glob("*.log"))] if folder.is_dir() else []

    def _is_held(self, name: str) -> bool:
        with suppress(OSError), read_own(self._log(name)) as file:
            return not lock(file)
        return False

    def _last_line(self, name: str) -> str:
        lines = _tail(self._log(name))
        said = [line for line in lines if line.startswith(_SAID)] or lines
        return said[-1].removeprefix(_SAID) if said else "it ended before it could begin"

    def _failure(self, name: str) -> str:
        """Return what a training said that ended by an error."""
        lines = _tail(self._log(name))[-1:]
        return lines[0].removeprefix(_SAID) if lines and lines[0].startswith(_SAID) else ""


@lru_cache(maxsize=256)
def _config(path: Path, _: int) -> RunConfig:
    """Return the settings of a run, which pages ask for often; `_` is when they were written."""
    return read_config(path)


def _process(number: int, run: Path) -> int:
    """Return the process to be asked: one that has the run's lock open, or which has started that."""
    try:
        process = psutil.Process(number)
        held = {os.path.realpath(file.path) for file in process.open_files()}
        if os.path.realpath(run / LOCK) not in held:
            raise ProcessLookupError(0, "it has ended")
        if "instar.api.worker" in process.cmdline():  # of several processes the one that has started them decides
            return int(process.ppid())
    except psutil.NoSuchProcess as error:
        raise ProcessLookupError(0, "it has ended") from error
    except psutil.AccessDenied as error:
        raise PermissionError(0, "it is another user's") from error
    return number


def _numbers(run: Path) -> tuple[int, float]:
    """Return the last step that numbers were written for, and the seconds of a step; 0 where they are not known."""
    step, each = 0, 0.0
    for line in _tail(run / "metrics.jsonl"):
        with suppress(ValueError, KeyError, TypeError):
            row: dict[str, Any] = json.loads(line)
            step = max(step, int(row["step"]))
            each = float(row.get("seconds", 0.0)) / step or each
    return step, each


def _tail(path: Path) -> list[str]:
    """Return the last lines of a file that are not empty."""
    with suppress(OSError), read_own(path) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
        return [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    return []


def _path() -> str:
    """Return where modules are found, for a process that works in another folder."""
    return os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
