"""Processes by the hundred: each is forked from one that has imported everything, which takes milliseconds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self

CLI = "instar.cli.main:run"
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
DOCUMENTED = (0, 1, 2, 3, 130)
"""Exit codes that a user may see; 70, of an error in Instar itself, and those of signals are none of them."""


@dataclass(frozen=True)
class Limits:
    """What a process is held to."""

    seconds: float = 120.0
    kill_at: int | None = None
    """Kill it before this change of the file system, counted from 0, below `watched`; with -1 changes are counted."""
    watched: str = ""
    file_bytes: int | None = None
    """No file may grow larger."""
    die_of_it: bool = False
    """What would make a file larger than `file_bytes` kills the process, in the middle of its writing."""
    memory: int | None = None
    """Bytes that it may take above what it has when it begins."""
    plain_rights: bool = False
    """Heed the modes of files, as processes of root do not."""


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    """Its exit code, or minus the number of the signal that ended it."""
    out: str
    err: str
    hung: bool
    memory: int
    """Bytes that it had at most."""
    seconds: float
    changes: list[str] = field(default_factory=list)
    """Changes of the file system, if they were counted."""

    @property
    def said(self) -> str:
        """What it printed."""
        return self.out + self.err

    @property
    def killed(self) -> bool:
        """Whether it was killed as it was to be."""
        return self.code in (-signal.SIGKILL, -signal.SIGXFSZ) and not self.hung

    def fault(self) -> tuple[str, str] | None:
        """Return the kind of finding that this end is, with the last lines; None if it is one that a user may see."""
        last = " | ".join(self.said.strip().splitlines()[-3:])
        if self.hung:
            return "hangs", f"after {self.seconds:.0f} s: {last}"
        if self.code not in DOCUMENTED or "Traceback (most recent call last)" in self.said:
            return "crashes", f"code {self.code}: {last}"
        if self.code in (2, 3) and not self.said.strip():
            return "silent losses", f"code {self.code} without a word"
        return None


class Forks:
    """A server that forks."""

    def __enter__(self) -> Self:
        path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)])
        self._server = subprocess.Popen(
            [sys.executable, "-m", "hostile.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **dict.fromkeys(ONE_THREAD, "1"), "PYTHONPATH": path, "COLUMNS": "200"},
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait(60)

    def __call__(
        self,
        arguments: Sequence[object],
        limits: Limits = Limits(),
        *,
        function: str = CLI,
        folder: Path | None = None,
        **environment: str,
    ) -> Ended:
        """Run a function of the command line, "module:function", in a process of its own."""
        assert self._server.stdin
        assert self._server.stdout
        with tempfile.TemporaryDirectory(prefix="instar-hostile-") as made:
            request: dict[str, Any] = {
                "function": function,
                "arguments": [str(one) for one in arguments],
                "folder": str(folder or made),
                "out": made,
                "environment": environment,
                **asdict(limits),
            }
            self._server.stdin.write(json.dumps(request) + "\n")
            self._server.stdin.flush()
            answer = json.loads(self._server.stdout.readline())
            out, err = (Path(made, name).read_text(errors="replace") for name in ("out", "err"))
            counted = Path(made, "changes")
            changes = json.loads(counted.read_text()) if counted.exists() else []
        return Ended(**answer, out=out, err=err, changes=changes)
