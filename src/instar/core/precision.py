"""What must not be averaged in bf16."""

from __future__ import annotations

import torch
from torch import Tensor


def full_precision(x: Tensor) -> Tensor:
    """Return x in float32, or as it is if it has more: under autocast it comes in bf16, too coarse to average."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
