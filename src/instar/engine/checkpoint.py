"""Checkpoints: written beside the old ones under another name, flushed, then renamed.

At any moment, a kill included, the folder holds whole checkpoints and perhaps a rest that the next one sweeps away.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from safetensors.torch import save_file
from torch import Tensor

from instar.core.config import RunConfig
from instar.core.files import sync, write_atomically
from instar.core.method import Method
from instar.core.run import checkpoints, read_tensors, write_config
from instar.engine.averages import Averages
from instar.engine.optimizers import Optimizers


def save(
    fabric: Fabric,
    run: Path,
    config: RunConfig,
    method: Method[Any],
    optimizers: Optimizers,
    averages: Averages,
    training: dict[str, Any],
) -> Path:
    """Write a checkpoint for ``training["step"]``, delete the oldest beyond `keep`, and return the new one's folder.

    All processes call this.

    Args:
        fabric: the processes. The first one writes; the others add their own buffers: pools and banks differ.
        run: the run directory.
        config: of the run; a copy goes into the checkpoint.
        method: its whole state dict is stored.
        optimizers: their averages are stored.
        averages: of the translating networks.
        training: what else the loop needs to go on, as JSON can hold it; ``step`` among it, and ``best``, the steps and
            scores of checkpoints that are kept however old they are, as are those that are ``last_of_phase``.
    """
    folder = run / "checkpoints"
    new = folder / f"step-{training['step']:09d}"
    partial = folder / f".{new.name}"
    if fabric.is_global_zero:
        folder.mkdir(exist_ok=True)
        for rest in folder.glob(".*"):
            shutil.rmtree(rest, ignore_errors=True)
        partial.mkdir()
        write_config(config, partial)
        _write_tensors(method.state_dict(), partial / "method.safetensors")
        _write_tensors(optimizers.state(), partial / "optimizers.safetensors")
        if averages.of:
            _write_tensors(averages.state(), partial / "averages.safetensors")
        write_atomically(partial / "training.json", json.dumps(training).encode())
    fabric.barrier()
    if not fabric.is_global_zero:
        trained = dict(method.named_parameters())
        own = {name: value for name, value in method.state_dict().items() if name not in trained}
        _write_tensors(own, partial / _own_buffers(fabric))
    fabric.barrier()
    if fabric.is_global_zero:
        sync(partial)
        if new.exists():  # a run that was stopped and resumed without a step in between
            _remove(new)
        partial.rename(new)
        sync(folder)
        best = {f"step-{step:09d}" for step, _ in training.get("best", [])}
        for old in checkpoints(run)[: -config.train.keep] if config.train.keep else []:
            if old.name not in best and not _training(old).get("last_of_phase"):
                _remove(old)
    return new


def load(
    fabric: Fabric, run: Path, method: Method[Any], optimizers: Optimizers, averages: Averages
) -> dict[str, Any] | None:
    """Put the last checkpoint of `run` into the live objects and return its `training`; None if there is none."""
    found = checkpoints(run)
    if not found:
        return None
    weights = read_tensors(found[-1] / "method.safetensors")
    if not fabric.is_global_zero and (found[-1] / _own_buffers(fabric)).is_file():
        weights |= read_tensors(found[-1] / _own_buffers(fabric))
    method.load_state_dict(weights)
    optimizers.load(read_tensors(found[-1] / "optimizers.safetensors"))
    if averages.of:
        averages.load(read_tensors(found[-1] / "averages.safetensors"))
    return _training(found[-1])


def _training(checkpoint: Path) -> dict[str, Any]:
    training: dict[str, Any] = json.loads((checkpoint / "training.json").read_text())
    return training


def _own_buffers(fabric: Fabric) -> str:
    return f"process-{fabric.global_rank}.safetensors"


def _write_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path)
    sync(path)


def _remove(checkpoint: Path) -> None:
    # Renamed first: a kill in the middle of the deletion must not leave half a checkpoint under a whole one's name.
    doomed = checkpoint.with_name(f".old-{checkpoint.name}")
    checkpoint.rename(doomed)
    shutil.rmtree(doomed)
