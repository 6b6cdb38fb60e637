"""What must not be computed in bf16."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(x: Tensor) -> Tensor:
    """Return x in float32, or as it is if it has more: under autocast it comes in bf16, too coarse to average."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def without_autocast(kind: str) -> AbstractContextManager[None]:
    """Compute in the tensors' own precision on a kind of device.

    Where autocast is off nothing is done: a program of `torch.export` with the region of PyTorch's own context, of two
    in a row, cannot be read back (2.14).
    """
    on = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)  # not on the meta device
    return torch.autocast(kind, enabled=False) if on else nullcontext()
