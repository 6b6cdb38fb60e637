"""Checkpoints: written beside the old ones under another name, flushed, then renamed.

At any moment, a kill included, the folder holds whole checkpoints and perhaps a rest that the next one sweeps away.
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from instar.core import registry
from instar.core.absent import networks_of
from instar.core.config import RunConfig
from instar.core.digests import DamagedError, write_sums
from instar.core.errors import UserError, setting
from instar.core.files import own_folder, remove, sync, write_atomically
from instar.core.method import Method
from instar.core.run import (
    AVERAGES,
    CHECKPOINTS,
    CONFIG,
    METHOD,
    OPTIMIZERS,
    TRAINING,
    checkpoints,
    declared_absent,
    naming_the_last_whole,
    other_networks,
    read_training,
    write_config,
)
from instar.core.tensors import read_tensors, write_tensors
from instar.engine.averages import Averages
from instar.engine.optimizers import Optimizers

_REST = re.compile(r"\.(old-)?step-\d+")
"""What a kill leaves: the only hidden entries that are ever removed."""
_NO_ROOM = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


@dataclass(frozen=True)
class Live:
    """What a checkpoint holds, as it is trained."""

    config: RunConfig
    method: Method[Any]
    optimizers: Optimizers
    averages: Averages
    attached: Mapping[str, bytes] = field(default_factory=dict)
    """More files, by name."""

    def not_finite(self) -> str | None:
        """Return the name of a tensor that holds numbers that are not finite, if there is one."""
        states = (self.method.state_dict(), self.optimizers.state(), self.averages.state())
        floats = [item for state in states for item in state.items() if item[1].is_floating_point()]
        return next((name for name, tensor in floats if not bool(tensor.isfinite().all())), None)


def save(fabric: Fabric, run: Path, live: Live, training: dict[str, Any]) -> Path:
    """Write a checkpoint for ``training["step"]``, delete the oldest beyond `keep`, and return the new one's folder.

    All processes call this.

    Args:
        fabric: the processes. The first one writes; the others add their own buffers: pools and banks differ.
        run: the run directory.
        live: the whole state dict of the method is stored, the optimisers' and networks' averages, and the settings.
        training: what else the loop needs to go on, as JSON can hold it; ``step`` among it, and ``best``, the steps and
            scores of checkpoints that are kept however old they are, as are those that are ``last_of_phase``.

    Raises:
        OSError: it could not be written. Nothing of it is left.
    """
    folder = run / CHECKPOINTS
    new = folder / f"step-{training['step']:09d}"
    partial = folder / f".{new.name}"
    if fabric.is_global_zero:
        own_folder(folder)
        _sweep(folder)
        _with_room(run, live, training, partial)
    fabric.barrier()
    if not fabric.is_global_zero:
        trained = dict(live.method.named_parameters())
        own = {name: value for name, value in live.method.state_dict().items() if name not in trained}
        _write_tensors(own, partial / _own_buffers(fabric))
    fabric.barrier()
    if fabric.is_global_zero:
        write_sums(partial)
        sync(partial)
        if new.exists():  # a run that was stopped and resumed without a step in between
            _remove(new)
        partial.rename(new)
        sync(folder)
        for old in _expendable(run, live.config.train.keep, training):
            _remove(old)
    return new


def save_untrained(run: Path, config: RunConfig, weights: Mapping[str, Tensor], averages: Mapping[str, Tensor]) -> Path:
    """Write a checkpoint from which a run starts at step 0 with weights from elsewhere, and return its folder.

    Args:
        run: the run directory, without checkpoints.
        config: of the run.
        weights: the state dict of the method; networks that are not there are noted as absent.
        averages: the averaged weights; without them the run must keep none (`train.ema`).

    Raises:
        OSError: it could not be written.
    """
    folder = run / CHECKPOINTS
    own_folder(folder)
    new = folder / f"step-{0:09d}"
    partial = folder / f".{new.name}"
    partial.mkdir()
    write_config(config, partial)
    _write_tensors(dict(weights), partial / METHOD)
    _write_tensors({}, partial / OPTIMIZERS)
    if averages:
        _write_tensors(dict(averages), partial / AVERAGES)
    with torch.device("meta"):
        method = registry.get(config.name)(config.method)
    absent = [name for name in networks_of(method) if not any(key.startswith(f"{name}.") for key in weights)]
    training = {"step": 0, "phase": "", "bad_steps": 0, "seconds": 0.0, "meter": {}, "absent": absent}
    write_atomically(partial / TRAINING, json.dumps(training).encode())
    write_sums(partial)
    sync(partial)
    partial.rename(new)
    sync(folder)
    return new


def load(fabric: Fabric, folder: Path, live: Live) -> dict[str, Any]:
    """Put a checkpoint into the live objects and return its `training`.

    Raises:
        UserError: a file of it is damaged, or holds something else; the last whole checkpoint is named.
    """
    with naming_the_last_whole(folder):
        training = read_training(folder)
        if absent := declared_absent(folder):
            names, begin = ", ".join(sorted(absent)), setting("train.start_from", folder)
            raise UserError(
                f"{folder}: imported without {names}: it cannot be trained on; begin a new run with {begin}"
            )
        weights = read_tensors(folder / METHOD)
        if not fabric.is_global_zero and (folder / _own_buffers(fabric)).is_file():
            weights |= read_tensors(folder / _own_buffers(fabric))
        try:
            live.method.load_state_dict(weights)
        except RuntimeError as error:
            raise other_networks(live.config, folder) from error
        moments = read_tensors(folder / OPTIMIZERS)
        averages = read_tensors(folder / AVERAGES) if live.averages.of else {}
        try:
            live.optimizers.load(moments)
        except (ValueError, KeyError) as error:
            raise DamagedError(f"{folder / OPTIMIZERS}: these are not the optimisers of this run ({error})") from error
        try:
            live.averages.load(averages)
        except RuntimeError as error:
            raise DamagedError(f"{folder / AVERAGES}: these are not the averages of this run") from error
    return training


def processes_of(folder: Path, fabric: Fabric) -> str:
    """Return a line for people if a checkpoint is of another number of processes than there are now."""
    before, now = 1 + len(list(folder.glob("process-*.safetensors"))), fabric.world_size
    if before == now:
        return ""
    missing = "; the others begin with those of the first" * (now > before)
    return f"{folder.name} is of {before} process(es), now there are {now}: each gets its own pools and banks{missing}"


def set_aside(run: Path, step: int) -> list[Path]:
    """Rename the checkpoints after `step`, which a run that goes on from there would take for its own; return them."""
    moved = []
    for later in checkpoints(run):
        if later.name > f"step-{step:09d}":
            name, number = f"set-aside-{later.name}", 1
            while (later.parent / name).exists():
                number += 1
                name = f"set-aside-{later.name}-{number}"
            moved.append(later.rename(later.parent / name))
    return moved


def _with_room(run: Path, live: Live, training: dict[str, Any], partial: Path) -> None:
    """Write the first process's part. On a full disk checkpoints go first that would go afterwards, but not all."""
    keep = live.config.train.keep
    while True:
        try:
            return _write(live, training, partial)
        except OSError as error:
            with suppress(OSError):
                remove(partial)
            spare = _expendable(run, keep - 1, training) if keep > 1 else []
            if error.errno not in _NO_ROOM or not spare:
                raise
            _remove(spare[0])


def _write(live: Live, training: dict[str, Any], partial: Path) -> None:
    partial.mkdir()
    write_config(live.config, partial)
    for name, content in live.attached.items():
        write_atomically(partial / name, content)
    _write_tensors(live.method.state_dict(), partial / METHOD)
    _write_tensors(live.optimizers.state(), partial / OPTIMIZERS)
    if live.averages.of:
        _write_tensors(live.averages.state(), partial / AVERAGES)
    write_atomically(partial / TRAINING, json.dumps(training).encode())


def _expendable(run: Path, keep: int, training: dict[str, Any]) -> list[Path]:
    """Return the checkpoints, oldest first, that need not be kept beside the last `keep`; 0 keeps all."""
    best = {f"step-{step:09d}" for step, _ in training.get("best", [])}
    return [
        old for old in (checkpoints(run)[:-keep] if keep else []) if old.name not in best and not _last_of_phase(old)
    ]


def _last_of_phase(checkpoint: Path) -> bool:
    with suppress(DamagedError):  # nobody needs a damaged one
        return bool(read_training(checkpoint).get("last_of_phase"))
    return False


def _own_buffers(fabric: Fabric) -> str:
    return f"process-{fabric.global_rank}.safetensors"


def _write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    write_tensors(tensors, path, mode=(path.parent / CONFIG).stat().st_mode & 0o777)


def _sweep(folder: Path) -> None:
    for path in folder.glob(".*"):
        if _REST.fullmatch(path.name):
            remove(path)


def _remove(checkpoint: Path) -> None:
    # Renamed first: a kill in the middle of the deletion must not leave half a checkpoint under a whole one's name.
    doomed = checkpoint.with_name(f".old-{checkpoint.name}")
    checkpoint.rename(doomed)
    remove(doomed)
