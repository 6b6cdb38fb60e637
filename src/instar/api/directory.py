"""A run directory and its one owner: who trains in it, what may be there before, what was trained before."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from instar.core.config import RunConfig, code_in
from instar.core.digests import DamagedError, check_sum, listed
from instar.core.errors import UserError, call, setting
from instar.core.files import lock, open_own, own_folder, read_own
from instar.core.run import (
    CONFIG,
    IMAGES,
    LOCK,
    OWN_FOLDERS,
    checkpoints,
    is_unused,
    naming_the_last_whole,
    read_config,
    write_config,
)
from instar.data.fingerprint import difference

FREE = frozenset(
    {
        *("data.roots", "data.max_bad", "data.cache_gb", "data.validation"),
        *("train.steps", "train.device", "train.devices", "train.log_every", "train.preview_every", "train.save_every"),
        *("train.keep", "train.score_every", "train.score_with", "train.keep_best", "train.max_bad_steps"),
        *("train.watch_every", "train.start_from", "train.start_with", "train.logger"),
        *("train.compile", "train.cuda_graphs", "train.activation_checkpointing"),
    }
)
"""Settings that may change while a run is stopped: it is the same run with other values of them. The
images are looked at by themselves, the length where it is given."""
LOOKS, PAUSE = 5, 0.05
"""How often the lock of a run is tried, and the seconds between."""


@contextmanager
def owned(run: Path) -> Iterator[None]:
    """Be the one training that works in a run directory, which exists, for the time of the context.

    The lock is the system's: it ends with the process, however that ends.

    Raises:
        UserError: another one is at work, or the directory cannot be written.
    """
    try:
        for name in OWN_FOLDERS:
            if (run / name).is_symlink():
                own_folder(run / name)
        file = open_own(run / LOCK, "r+b")
    except OSError as error:
        place = error.filename or run
        raise UserError(f"{place}: cannot be written ({error.strerror}); a training writes there") from error
    with file:
        if not _locked(file):
            who = " ".join(file.read(100).decode(errors="replace").split())
            raise UserError(f"{run}: another training is at work in it{f' ({who})' if who else ''}; wait, or stop it")
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        file.flush()
        yield


def _locked(file: IO[bytes]) -> bool:
    """Lock a file, and return whether nobody else has it. Who only looks whether it is locked has it for an instant."""
    for _ in range(LOOKS):
        if lock(file):
            return True
        time.sleep(PAUSE)
    return False


@contextmanager
def made(config: RunConfig, out: Path) -> Iterator[None]:
    """Make a run directory with its settings, and own it for the time of the context."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{setting('out', out)}: cannot be written ({error.strerror})") from error
    with owned(out):
        check_unused(out)  # nobody else has been faster
        try:
            write_config(config, out)
        except OSError as error:
            raise UserError(f"{setting('out', out)}: cannot be written ({error.strerror})") from error
        yield


def check_unused(out: Path) -> None:
    """Refuse a directory in which something is already."""
    if not is_unused(out):
        raise UserError(f"{out} exists already; go on with `{call('resume', out)}` or choose another {setting('out')}")


def check_code(config: RunConfig, where: Path | str) -> None:
    """Refuse settings from a file that name code to be run."""
    if named := code_in(config):
        raise untrusted(named, where)


def untrusted(named: str, where: Path | str) -> UserError:
    """Return the error for a file that names code."""
    return UserError(f"{where}: {named} is code that would be run; if you trust it: {setting('allow_code', True)}")


def check_settings(config: RunConfig, run: Path, checkpoint: Path) -> str:
    """Return how settings differ from those of a checkpoint in what a run learns by; nothing if they do not."""
    with naming_the_last_whole(checkpoint):
        before = read_config(checkpoint / CONFIG)
    was, now = _flat(asdict(before)), _flat(asdict(config))
    other = [key for key in dict.fromkeys([*was, *now]) if was.get(key) != now.get(key)]
    said = [f"{setting(key)} was {was.get(key)}, is {now.get(key)}" for key in other if key not in FREE | {"preset"}]
    return f"{run / CONFIG}: {', '.join(said)}" if said else ""


def check_images(now: bytes, checkpoint: Path) -> str:
    """Return how the training images differ from those of a checkpoint; nothing if they do not, or if it is too old."""
    path = checkpoint / IMAGES
    with naming_the_last_whole(checkpoint):
        if not path.exists() and IMAGES not in listed(checkpoint):
            return ""
        check_sum(path)
        try:
            with read_own(path) as file:
                before = file.read()
        except OSError as error:
            raise DamagedError(f"{path}: cannot be read ({error.strerror})") from error
    return difference(before, now)


def refused(changes: str, run: Path, checkpoint: Path) -> UserError:
    """Return the error for a run that would go on as another one."""
    since = f"since step {int(checkpoint.name.rpartition('-')[2])}"
    again = call("resume", run, allow_changes=True)
    return UserError(f"{changes} ({since}); put it back, or go on with what is there now: {again}")


def last_of(run: Path, chosen: Path | None) -> Path | None:
    """Return the checkpoint that a run goes on from: the chosen one, or the last."""
    return chosen or next(iter(reversed(checkpoints(run))), None)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found
