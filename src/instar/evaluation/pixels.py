"""Images as their files of 8 bits would hold them."""

from __future__ import annotations

import torch
from torch import Tensor


def rounded(images: Tensor) -> Tensor:
    """Return images in [-1, 1] as their files of 8 bits would hold them."""
    return images.clamp(-1, 1).add(1).mul(127.5).round().div(127.5).sub(1)


def to_eight_bit(images: Tensor) -> Tensor:
    """Map [-1, 1] to the nearest of 0, 1, ..., 255, uint8 on the CPU."""
    return images.clamp(-1, 1).add(1).mul(127.5).round().to("cpu", torch.uint8)


def from_eight_bit(values: Tensor) -> Tensor:
    """Map 0, 1, ..., 255 to [-1, 1], float32: the inverse of `to_eight_bit` where images are `rounded`."""
    return values.float().div(127.5).sub(1)
