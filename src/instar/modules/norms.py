"""Normalisation layers."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.precision import full_precision

Norm = Literal["instance", "batch", "running", "none"]
EPS = 1e-5
"""That of PyTorch's norms: added to the variance."""


class InstanceNorm(nn.Module):
    """Zero mean and unit variance for each channel of each image, eps 1e-5, nothing learned (Ulyanov et al. 2016)."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (N, C, H, W)."""
        if x.is_cuda:
            return as_batch(x)
        # One group a channel is the same arithmetic; its CPU kernel is 2 to 3 times faster than instance_norm's.
        return nnf.group_norm(x, x.shape[1])


def as_batch(x: Tensor) -> Tensor:
    """Normalise each channel of each image of x (N, C, H, W), as one image of N * C channels in a batch.

    On GPUs autocast leaves a batch norm's bfloat16 as it is, and the kernel takes statistics in float32. It would copy
    what goes into a group norm to float32, and without autocast that one rounds its means to bfloat16.
    """
    n, c, *sides = x.shape
    channels = x.reshape(1, n * c, *sides)
    # Not by nn.functional, which refuses channels of one number.
    out = torch.batch_norm(channels, None, None, None, None, True, 0.0, EPS, torch.backends.cudnn.enabled)
    return _in_shape(out, x)


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
    """Return the norm of that name for `channels` channels; running is PyTorch's, which keeps running averages."""
    if kind == "batch":
        return BatchNorm(channels)
    if kind == "running":
        return nn.BatchNorm2d(channels)
    return InstanceNorm() if kind == "instance" else nn.Identity()


def adaptive_instance_norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Give each channel of each image a mean and a deviation of its own (AdaIN, Huang and Belongie 2017), eps 1e-5.

    Args:
        x: features (N, C, H, W).
        scale: deviations (N, C), used as they are.
        shift: means (N, C).
    """
    n, c, *sides = x.shape
    if torch.onnx.is_in_onnx_export():  # its operators have a fixed number of groups, which would fix the batch
        return nnf.group_norm(x, c) * scale[:, :, None, None] + shift[:, :, None, None]
    # One image of N * C groups: normalisation, scale and shift in one kernel, as in `InstanceNorm`.
    out = nnf.group_norm(x.reshape(1, n * c, *sides), n * c, scale.reshape(-1), shift.reshape(-1))
    return _in_shape(out, x)


def _in_shape(out: Tensor, x: Tensor) -> Tensor:
    """Return what a norm has made, which is held nowhere else, in the shape of x.

    Not as a view: an activation in place would copy the whole gradient, three times, for the sake of the other shape.
    """
    reshaped: Tensor = torch.ops.aten._unsafe_view(out, x.shape)
    return reshaped


class LayerNorm(nn.Module):
    """Zero mean and unit deviation over all features of each image, then a learned scale and shift for each channel.

    As in MUNIT's code: unbiased deviation, eps 1e-5 added to it, scales drawn from [0, 1]. It keeps the statistics of
    the channels relative to each other, which an instance norm would wipe out after AdaIN has set them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (N, C, H, W); the result is in float32 or better."""
        x = full_precision(x)
        centred = x - x.mean((1, 2, 3), keepdim=True)
        # Not by `std`, whose gradient is not finite for an image of one colour: that of a norm is 0 at 0.
        length = torch.linalg.vector_norm(centred, dim=(1, 2, 3), keepdim=True)
        deviation = length / (x[0].numel() - 1) ** 0.5
        return torch.addcmul(self.bias[:, None, None], centred, self.weight[:, None, None] / (deviation + 1e-5))
