"""Devices and processes, by Lightning Fabric: launch, collectives. Networks stay bare modules."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from torch import Tensor

from instar.core.config import TrainConfig
from instar.core.device import pick_device
from instar.core.errors import UserError, setting
from instar.core.memory import keep_freed_memory
from instar.engine.reading import Reading


def check_devices(cfg: TrainConfig) -> str:
    """Return the kind of device that `cfg` means: cuda, mps or cpu. One that is not there is a `UserError`."""
    kind = pick_device(cfg.device)
    present = torch.cuda.device_count() if kind == "cuda" else None
    asked = setting("train.devices", cfg.devices)
    if present is not None and cfg.devices > present:
        raise UserError(f"{asked}: there are only {present} CUDA devices here")
    if kind == "mps" and cfg.devices > 1:
        raise UserError(f"{asked}: there is one mps device; use {setting('train.devices', 1)}")
    return kind


@contextmanager
def launched(cfg: TrainConfig, *, spawned: bool = False) -> Iterator[Fabric]:
    """Give this process's Fabric; one of several processes meets the others here.

    Within this context PyTorch's settings are those for training on the device; afterwards they are as they were.

    Args:
        cfg: device and devices.
        spawned: this process was started by Instar, which has put its rank into the environment; if not, a launcher
            such as torchrun or Slurm may have done so.
    """
    kind = check_devices(cfg)
    with _SHARED.of(kind, cfg.devices):
        fabric = fabric_of(kind, cfg.devices, *([LightningEnvironment()] if spawned else []))
        fabric.launch()
        yield fabric


def fabric_of(kind: str, devices: int = 1, *plugins: ClusterEnvironment) -> Fabric:
    """Return a Fabric that is not launched: `kind` is cuda, mps or cpu."""
    strategy = "ddp" if devices > 1 else "auto"
    return Fabric(accelerator=kind, devices=devices, strategy=strategy, plugins=[*plugins])


def from_outside(cfg: TrainConfig) -> bool:
    """Return whether a launcher such as torchrun or Slurm has started this process as one of several."""
    slurm = SLURMEnvironment.detect() and os.environ.get("SLURM_NTASKS", "1") != "1"
    return cfg.devices > 1 and ("LOCAL_RANK" in os.environ or slurm)


def is_main(cfg: TrainConfig) -> bool:
    """Return whether this process writes files: the first one, also before the launch."""
    rank = next((os.environ[name] for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK") if name in os.environ), "0")
    return rank == "0" or not from_outside(cfg)


def describe(fabric: Fabric, precision: str, seed: int) -> str:
    """Return one line with what a repetition of the run would need to know."""
    device, processes = fabric.device, fabric.world_size
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    libraries = ", ".join(f"{lib} {version(lib)}" for lib in ("instar", "torch", "torchvision", "lightning-fabric"))
    return (
        f"{libraries}, Python {platform.python_version()}, {platform.system()}; {device.type} ({name}), "
        f"{processes} process(es), {torch.get_num_threads()} threads, precision {precision}, seed {seed}"
    )


def all_agree(fabric: Fabric, mine: bool) -> bool:
    """Return whether all processes say yes; they ask together, and wait for each other."""
    if fabric.world_size == 1:
        return mine
    against = fabric.all_reduce(torch.full((), float(not mine), device=fabric.device), reduce_op="sum")
    return not bool(cast(Tensor, against))


class Votes:
    """Whether any of the processes says yes. On GPUs the answer is that of the last time: nobody waits for it."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._asked: Reading | None = None

    def any(self, mine: bool) -> bool:
        """Ask; all processes do so together and get the same answer."""
        fabric = self._fabric
        if fabric.world_size == 1:
            return mine
        votes = fabric.all_reduce(torch.full((), float(mine), device=fabric.device), reduce_op="sum")
        before, self._asked = self._asked, Reading(cast(Tensor, votes))
        if fabric.device.type != "cuda":
            return self._asked.read() > 0
        return before is not None and before.read() > 0


class _Flags:
    """PyTorch's settings for training, which belong to the whole process: put back when the last training ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before = _flags()

    @contextmanager
    def of(self, kind: str, devices: int) -> Iterator[None]:
        """Set them for a kind of device and a number of processes."""
        with self._lock:
            if not self._users:
                self._before = _flags()
            self._users += 1
            _set(kind, devices)
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    _put_back(*self._before)


def _flags() -> tuple[str, bool, int]:
    return torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark, torch.get_num_threads()


def _put_back(precision: str, benchmark: bool, threads: int) -> None:
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.benchmark = benchmark
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def _set(kind: str, devices: int) -> None:
    if kind == "cuda":
        # Before chance is taken from it: see core/seed.py.
        torch.cuda.init()  # type: ignore[no-untyped-call]
        torch.set_float32_matmul_precision("high")  # TF32 where the card has it
        torch.backends.cudnn.benchmark = True  # all training crops have one size
    elif kind == "cpu":
        keep_freed_memory()
        if devices > 1:
            torch.set_num_threads(max(1, (os.cpu_count() or 1) // devices))


_SHARED = _Flags()
