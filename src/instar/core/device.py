"""Choosing where to compute, and what it takes there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from instar.core.errors import UserError, setting


def pick_device(wanted: str) -> str:
    """Return cuda, mps or cpu. One that is asked for by name and not there is a `UserError`."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, available in there.items() if available)
    if not there.get(wanted):
        found = ", ".join(name for name, available in there.items() if available)
        device = setting("device", wanted)
        raise UserError(f"{device}: not available here (there is: {found}); {setting('device', 'auto')} picks for you")
    return wanted


def has_bf16(device: str) -> bool | None:
    """Return whether cuda, mps or cpu has instructions for bfloat16; without, it is imitated, many times slower.

    None where that cannot be told: on mps, and of processors by older PyTorch.
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return None
    found = torch.cpu.get_capabilities()
    return any(found.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16"))


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of a piece of work by the clock, what it has started on a device included."""
    _wait(device)
    began = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor that lies on the CPU on a device. Nobody waits: neither this process nor a GPU at work."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()  # from other memory the copy would be one that waits
    return tensor.to(device, non_blocking=device.type not in ("cpu", "mps"))


def constant(values: Sequence[float] | Sequence[Sequence[float]], like: Tensor) -> Tensor:
    """Return numbers as a tensor of the type and on the device of another one, without waiting."""
    return moved(torch.tensor(values, dtype=like.dtype), like.device)


@torch.no_grad()
def copy_all(into: Sequence[Tensor], tensors: Sequence[Tensor]) -> None:
    """Copy tensors into others of their shapes and types, on a GPU those of one type together."""
    for kind in {tensor.dtype for tensor in tensors}:
        pairs = [(to, one) for to, one in zip(into, tensors, strict=True) if one.dtype == kind]
        torch._foreach_copy_([to for to, _ in pairs], [one for _, one in pairs])
