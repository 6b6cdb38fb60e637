"""Devices and processes, by Lightning Fabric: launch, precision, collectives. Networks stay bare modules."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from instar.core.config import TrainConfig
from instar.core.device import pick_device
from instar.core.errors import UserError
from instar.engine.memory import keep_freed_memory


def launch(cfg: TrainConfig) -> Fabric:
    """Start the processes that `cfg` asks for and return this one's Fabric."""
    accelerator = pick_device(cfg.device)
    present = torch.cuda.device_count() if accelerator == "cuda" else None
    if present is not None and cfg.devices > present:
        raise UserError(f"--devices {cfg.devices}: there are only {present} CUDA devices here")
    if accelerator == "mps" and cfg.devices > 1:
        raise UserError(f"--devices {cfg.devices}: there is one mps device; use --devices 1")
    if accelerator == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32 where the card has it
        torch.backends.cudnn.benchmark = True  # all training crops have one size
    elif accelerator == "cpu":
        keep_freed_memory()
    if accelerator == "cpu" and cfg.devices > 1:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // cfg.devices))
    fabric = Fabric(
        accelerator=accelerator,
        devices=cfg.devices,
        strategy="ddp" if cfg.devices > 1 else "auto",
        precision="bf16-mixed" if cfg.precision == "bf16" else "32-true",
    )
    fabric.launch()
    return fabric


def is_main() -> bool:
    """Return whether this process writes files: the first one, also before the launch."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


def average(fabric: Fabric, gradients: Sequence[Tensor]) -> None:
    """Replace gradients by their mean over all processes, in one message."""
    if fabric.world_size == 1:
        return
    flat = fabric.all_reduce(torch.cat([g.flatten() for g in gradients]), reduce_op="mean")
    means = torch.split(cast(Tensor, flat), [g.numel() for g in gradients])
    for gradient, mean in zip(gradients, means, strict=True):
        gradient.copy_(mean.view_as(gradient))


def any_of(fabric: Fabric, mine: bool) -> bool:
    """Return whether any process says yes."""
    if fabric.world_size == 1:
        return mine
    votes = fabric.all_reduce(torch.tensor(float(mine), device=fabric.device), reduce_op="sum")
    return bool(cast(Tensor, votes) > 0)
