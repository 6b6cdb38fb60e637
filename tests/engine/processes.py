"""Real `instar` processes on drawn images."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from instar.data import shapes

INSTAR = [sys.executable, "-m", "instar.cli"]


def draw(folder: Path, train: int = 12, test: int = 4, size: int = 40) -> Path:
    shapes.write(folder, train, test, size)
    return folder


def start(arguments: Sequence[object], *, start_new_session: bool = False, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*INSTAR, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=start_new_session,
        preexec_fn=_heed_hangups,  # noqa: PLW1509  (it sets a signal, nothing else)
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )


def _heed_hangups() -> None:
    """Undo what nohup does, under which the tests may run: their processes would inherit it."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def finish(arguments: Sequence[object], **environment: str) -> tuple[int, str]:
    """Run to the end and return exit code and stderr."""
    process = start(arguments, **environment)
    _, err = process.communicate(timeout=300)
    return process.returncode, err


def numbers(run: Path) -> list[dict[str, Any]]:
    """What was logged, less what the clock says."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in rows]


def logged(run: Path) -> list[dict[str, Any]]:
    """`numbers` of the training itself, less what was measured on held-out images."""
    return [row for row in numbers(run) if not any(name.startswith("held-out/") for name in row)]


def state(run: Path) -> dict[str, bytes]:
    """Every tensor file of the last checkpoint, byte by byte."""
    last = max((run / "checkpoints").glob("step-*"))
    return {path.name: path.read_bytes() for path in last.glob("*.safetensors")}
