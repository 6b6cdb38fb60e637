"""Devices and processes, by Lightning Fabric: launch, collectives. Networks stay bare modules."""

from __future__ import annotations

import logging
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch import Tensor

from instar.core.config import TrainConfig
from instar.core.device import pick_device
from instar.core.errors import UserError, call, first_line, setting
from instar.core.memory import keep_freed_memory
from instar.engine.reading import Reading

_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun tells each process that it starts, and other launchers too."""


class _Launcher(NamedTuple):
    """How processes were started that Instar did not start.

    Attributes:
        world: processes in all.
        nodes: machines that they are on.
    """

    world: int
    nodes: int

    @property
    def here(self) -> int:
        """Processes on each machine."""
        return self.world // self.nodes


def check_devices(cfg: TrainConfig) -> str:
    """Return the kind of device that `cfg` means: cuda, mps or cpu. One that is not there is a `UserError`."""
    kind = pick_device(cfg.device)
    here = _launcher(cfg).here if from_outside(cfg) else cfg.devices
    present = torch.cuda.device_count() if kind == "cuda" else None
    asked = setting("train.devices", cfg.devices)
    if present is not None and here > present:
        raise UserError(f"{asked}: there are only {present} CUDA devices here")
    if kind == "mps" and cfg.devices > 1:
        raise UserError(f"{asked}: there is one mps device; use {setting('train.devices', 1)}")
    return kind


@contextmanager
def launched(cfg: TrainConfig, *, spawned: bool = False) -> Iterator[Fabric]:
    """Give this process's Fabric; one of several processes meets the others here, on this machine or on several.

    Within this context PyTorch's settings are those for training on the device; afterwards they are as they were.

    Args:
        cfg: device and devices.
        spawned: this process was started by Instar, which has put its rank into the environment; if not, a launcher
            such as torchrun or Slurm may have done so.

    Raises:
        UserError: a device is not there, the launcher has started another number of processes, or the others cannot
            be reached.
    """
    kind = check_devices(cfg)
    outside = not spawned and from_outside(cfg)
    launcher = _launcher(cfg) if outside else _Launcher(cfg.devices, 1)
    with _SHARED.of(kind, launcher.here):
        environment = [_environment()] if outside else [LightningEnvironment()] if spawned else []
        fabric = fabric_of(kind, launcher.here, *environment, nodes=launcher.nodes)
        try:
            with _silent():
                fabric.launch()
        except torch.distributed.DistError as error:
            raise UserError(
                f"{setting('train.devices', cfg.devices)}: the other processes were not there in time or cannot be "
                f"reached ({first_line(error)})"
            ) from error
        yield fabric


@contextmanager
def among_others(fabric: Fabric, run: Path) -> Iterator[None]:
    """Say in a line that another process has gone, where this one hears of it by itself.

    Args:
        fabric: launched.
        run: the run directory, with which to go on.

    Raises:
        UserError: an exchange with the other processes has failed.
    """
    try:
        yield
    except RuntimeError as error:
        if fabric.world_size == 1 or not (isinstance(error, torch.distributed.DistError) or "gloo" in str(error)):
            raise
        raise UserError(
            f"process {fabric.global_rank + 1} of {fabric.world_size} has lost another one, which has ended or cannot "
            f"be reached ({first_line(error)}); go on with: {call('resume', run)}"
        ) from error


@contextmanager
def _silent() -> Iterator[None]:
    """Keep Lightning from announcing on stderr that processes have met."""
    logger = logging.getLogger("lightning_fabric")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def _launcher(cfg: TrainConfig) -> _Launcher:
    """Return what a launcher says in the environment.

    Raises:
        UserError: it is not what the settings say.
    """
    if "WORLD_SIZE" in os.environ:
        world = int(os.environ["WORLD_SIZE"])
        here = int(os.environ.get("LOCAL_WORLD_SIZE", world))
        nodes = world // here if world % here == 0 else 0
    else:
        world, nodes = int(os.environ["SLURM_NTASKS"]), int(os.environ.get("SLURM_NNODES", "1"))
    if world != cfg.devices:
        wanted = setting("train.devices", world)
        raise UserError(f"{setting('train.devices', cfg.devices)}: {world} processes were started; give {wanted}")
    if not nodes or world % nodes:
        raise UserError(f"{setting('train.devices', world)}: start as many processes on each machine")
    return _Launcher(world, nodes)


def _environment() -> ClusterEnvironment:
    """Return what reads ranks from the environment."""
    if set(_TORCHRUN) <= set(os.environ):
        return TorchElasticEnvironment()
    # Slurm tells it only where it was asked for it; Lightning insists.
    os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(_slurm_tasks_here()))
    return SLURMEnvironment(auto_requeue=False)


def _slurm_tasks_here() -> int:
    return int(os.environ["SLURM_NTASKS"]) // int(os.environ.get("SLURM_NNODES", "1"))


def fabric_of(kind: str, devices: int = 1, *plugins: ClusterEnvironment, nodes: int = 1) -> Fabric:
    """Return a Fabric that is not launched.

    Args:
        kind: of device: cuda, mps or cpu.
        devices: processes on each machine.
        plugins: what knows the ranks.
        nodes: machines.
    """
    strategy = "ddp" if devices * nodes > 1 else "auto"
    return Fabric(accelerator=kind, devices=devices, num_nodes=nodes, strategy=strategy, plugins=[*plugins])


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
