"""Forks a process for each line of standard input, once everything is imported.

No thread may run here when it forks: the process would inherit locks that nobody frees.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from instar.cli.main import COMMANDS
from instar.core import registry

CHANGES = frozenset(
    {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "os.utime", "os.link", "os.symlink"}
)
"""Audit events that change the file system; "open" does for some flags."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_IMPORTED = (
    *("torch", "torchvision", "torch.utils.tensorboard", "lightning_fabric", "safetensors.torch", "PIL.Image", "yaml"),
    *("onnx", "onnxruntime", "sklearn.decomposition", "evaluation.parts", "instar.cli.main", "instar.data.mnist_m"),
    *("instar.testing.runs", "hostile.tasks"),
)
_CAPABILITIES = 0x20080522
_OVERRIDE, _SEARCH = 1, 2


def main() -> None:
    """Serve until standard input ends."""
    for name in (*_IMPORTED, *(f"instar.cli.{name}" for name in COMMANDS)):
        try:
            importlib.import_module(name)
        except ImportError:  # of an extra
            continue
    for name in registry.names():
        registry.get(name)
    for line in sys.stdin:
        request = json.loads(line)
        began = time.monotonic()
        process = os.fork()
        if process == 0:
            _run(request)
        code, hung, memory = _ended(process, request["seconds"])
        answer = {"code": code, "hung": hung, "memory": memory, "seconds": time.monotonic() - began}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _ended(process: int, seconds: float) -> tuple[int, bool, int]:
    """Wait for a process; kill it, and all that it started, when its time is over."""
    deadline, hung = time.monotonic() + seconds, False
    while True:
        found, status, used = os.wait4(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status), hung, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        if not hung and time.monotonic() > deadline:
            hung = True
            os.killpg(process, signal.SIGKILL)
        time.sleep(0.004)


def _run(request: dict[str, Any]) -> None:
    """Be the process: run the function and end."""
    os.setpgid(0, 0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(Path(request["out"], name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    sys.stdout, sys.stderr = (os.fdopen(os.dup(number), "w", buffering=1, errors="replace") for number in (1, 2))
    code = 250
    try:
        os.chdir(request["folder"])
        os.environ.update(request["environment"])
        module, name = request["function"].split(":")
        function: Callable[[list[str]], int] = getattr(importlib.import_module(module), name)
        changes = _limited(request)
        code = _code(function, request["arguments"])
        if request["kill_at"] == -1:
            Path(request["out"], "changes").write_text(json.dumps(changes))
    finally:
        with suppress(OSError):  # it may write no more
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _code(function: Callable[[list[str]], int], arguments: list[str]) -> int:
    try:
        return int(function(arguments) or 0)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    except BaseException:
        traceback.print_exc()
        return 71


def _limited(request: dict[str, Any]) -> list[str]:
    """Hold this process to its limits, and return the list of changes that it makes from now on."""
    if request["file_bytes"] is not None:
        if request["die_of_it"]:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_bytes"],) * 2)
    if request["memory"] is not None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + request["memory"],) * 2)
    if request["plain_rights"]:
        _give_up_rights()
    return [] if request["kill_at"] is None else _watched(request["watched"], request["kill_at"])


def _watched(folder: str, kill_at: int) -> list[str]:
    """Note each change below a folder, and kill this process before one of them."""
    changes: list[str] = []

    def note(what: str, path: object) -> None:
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        name = Path(str(path))
        if name.is_absolute() and not str(name).startswith(folder):
            return
        if len(changes) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        changes.append(f"{what} {name.name}")

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        if event in CHANGES:
            note(event, arguments[1] if event == "os.rename" else arguments[0])
        elif event == "open" and not isinstance(arguments[0], int) and (arguments[2] or 0) & _WRITING:
            note("open", arguments[0])

    flush = os.fsync

    def fsync(descriptor: int) -> None:
        note("fsync", descriptor)
        flush(descriptor)

    os.fsync = fsync
    sys.addaudithook(heard)
    return changes


def _give_up_rights() -> None:
    """Give up root's right to pass over the modes of files. Of the C library: Python has no function for it."""
    if os.geteuid():
        return
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice 32 of each
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capget(header, sets):
        raise OSError(ctypes.get_errno(), "capget")
    for place in (0, 1, 2):
        sets[place] &= ~(1 << _OVERRIDE | 1 << _SEARCH)
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")


if __name__ == "__main__":
    main()
