"""What a training takes, measured in a process of its own: `python -m instar.api.trial`.

The process is given the settings as a line on its stdin, and gives back what it measured as the last line of its
stdout. Memory is then that of this training alone, and one that does not fit takes nothing else down.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from instar.core import registry
from instar.core.config import RunConfig, to_yaml
from instar.core.errors import UserError
from instar.core.events import ignore
from instar.core.memory import is_out_of_memory
from instar.core.run import config_from

if TYPE_CHECKING:
    from instar.engine.trial import Cost

LENGTH = 10_000
"""Steps that a run has at least while it is measured: its phases, which are shares of it, are then long enough."""


class TooLargeError(Exception):
    """A training takes more memory than there is."""


def measured(config: RunConfig, folder: Path | None = None) -> Cost:
    """Return what a training takes on this machine, from a few of its steps; nothing of it stays.

    Of several processes one is measured, with its share of the batch and of the processor's cores: what they take to
    exchange gradients is not in it.

    Args:
        config: of the run.
        folder: where its checkpoints will be: a new folder beside them is written to. The system's, if None.

    Raises:
        TooLargeError: it does not fit into memory.
        UserError: it cannot be trained with these settings and images.
    """
    from instar.engine.trial import Cost

    if not registry.portable(config.name):
        raise UserError(
            f"another process cannot import the class {registry.code(config.name)}; put it into a Python file of its "
            "own and give the file's path as the method"
        )
    train = config.train
    share = replace(train, steps=max(train.steps, LENGTH), batch=train.batch // train.devices, devices=1)
    job = {
        "config": to_yaml(replace(config, train=share)),
        "code": registry.code(config.name),
        "folder": str(folder) if folder else None,
        "processes": train.devices,
    }
    # It must not take itself for one of several processes.
    env = {name: value for name, value in os.environ.items() if name not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    done = subprocess.run(
        [sys.executable, "-m", "instar.api.trial"],
        input=json.dumps(job).encode() + b"\n",
        capture_output=True,
        env={**env, "PYTHONPATH": path},
        check=False,
    )
    found = _last_line(done.stdout)
    if "cost" in found:
        return Cost(**found["cost"])
    if "error" in found:
        raise UserError(found["error"])
    if "too large" in found or done.returncode == -signal.SIGKILL:  # by which the system frees memory
        raise TooLargeError
    said = done.stderr.decode(errors="replace").strip()
    raise RuntimeError(f"the training could not be measured (exit code {done.returncode}): {said}")


def main() -> None:
    """Measure what is asked for on stdin."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else prints must not get between
    job = json.loads(sys.stdin.readline())
    try:
        if job["code"]:
            registry.restore(job["code"])
        config = config_from(yaml.safe_load(job["config"]), Path("config"))
        with tempfile.TemporaryDirectory(prefix=".instar-trial-", dir=job["folder"]) as folder:
            found: dict[str, Any] = {"cost": asdict(_measure(config, Path(folder), job["processes"]))}
    except UserError as error:
        found = {"error": error.message.raw}
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        found = {"too large": {}}
    out.write(json.dumps(found) + "\n")
    out.flush()


def _measure(config: RunConfig, folder: Path, processes: int) -> Cost:
    import torch

    from instar.api.session import SAMPLES, built, opened
    from instar.core.run import write_config
    from instar.engine import parallel
    from instar.engine.computing import set_up
    from instar.engine.start import pinned, take_over
    from instar.engine.trainer import Trainer
    from instar.engine.trial import measure

    with parallel.launched(config.train) as fabric:
        if fabric.device.type == "cpu" and processes > 1:
            torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes))
        data = opened(config, fabric, ignore, fresh=True)
        method, _ = built(config, fabric)
        config = pinned(config)
        take_over(method, config)
        config, _ = set_up(fabric, method, config, data.train, folder)
        write_config(config, folder)
        return measure(Trainer(fabric, method, config, folder, data.train, data.samples(SAMPLES)))


def _last_line(said: bytes) -> dict[str, Any]:
    lines = said.decode(errors="replace").splitlines()
    found: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    return found


if __name__ == "__main__":
    main()
