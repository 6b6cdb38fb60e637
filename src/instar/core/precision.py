"""What computes in bf16, and what must not."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(x: Tensor) -> Tensor:
    """Return x in float32, or as it is if it has more: under autocast it comes in bf16, too coarse to average."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def autocast(device: str, precision: str) -> AbstractContextManager[object]:
    """Return a context in which networks on cuda, mps or cpu compute in a precision, 32 or bf16."""
    return torch.autocast(device, torch.bfloat16) if precision == "bf16" else nullcontext()


def without_autocast(kind: str) -> AbstractContextManager[None]:
    """Compute in the tensors' own precision on a kind of device.

    Where autocast is off nothing is done: a program of `torch.export` with the region of PyTorch's own context, of two
    in a row, cannot be read back (2.14).
    """
    on = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)  # not on the meta device
    return torch.autocast(kind, enabled=False) if on else nullcontext()
