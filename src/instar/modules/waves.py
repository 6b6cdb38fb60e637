"""Times as waves."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SLOWEST = 10_000
"""Wavelength of the slowest wave that stands for a time, by 2π."""


def waves(time: Tensor, channels: int) -> Tensor:
    """Return cosines and sines (B, channels) of times (B,), as in transformers; channels even."""
    half = channels // 2
    steps = torch.arange(half, dtype=torch.float32, device=time.device)
    angles = time.float()[:, None] * torch.exp(-math.log(SLOWEST) / half * steps)
    return torch.cat([angles.cos(), angles.sin()], 1)
