"""Normalisation layers."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

Norm = Literal["instance", "batch", "none"]


class InstanceNorm(nn.Module):
    """Zero mean and unit variance for each channel of each image, eps 1e-5, nothing learned (Ulyanov et al. 2016)."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (N, C, H, W)."""
        # One group a channel is the same arithmetic; its CPU kernel is 2 to 3 times faster than instance_norm's.
        return nnf.group_norm(x, x.shape[1])


class BatchNorm(nn.Module):
    """Batch norm that never uses running averages: pix2pix normalises with the statistics of the images at hand.

    In training those of the batch. In eval those of each image alone, so that a translation does not depend on
    what else is translated with it; at the paper's batch size of 1 the two are the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (N, C, H, W) and apply the learned scale and shift."""
        if self.training and len(x) > 1:
            return nnf.batch_norm(x, None, None, self.weight, self.bias, training=True)
        return nnf.group_norm(x, x.shape[1], self.weight, self.bias)


def norm(kind: Norm, channels: int) -> nn.Module:
    """Return the norm of that name for `channels` channels."""
    if kind == "batch":
        return BatchNorm(channels)
    return InstanceNorm() if kind == "instance" else nn.Identity()
