"""Random changes of images: of places, under which landmarks are known, and of colours."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from instar.core.device import moved
from instar.modules.affine import Affine

TURN, GROWTH, SHIFT = math.radians(15), 0.15, 0.1
"""Largest turn, change of size, and shift in half sides."""


def random_affine(x: Tensor) -> Affine:
    """Draw a map for each image of x (N, C, H, W), which turns, scales and shifts it a little."""
    angle, size, right, down = (moved(torch.rand(4, len(x), dtype=x.dtype), x.device) * 2 - 1).unbind()
    angle, size = TURN * angle, 1 + GROWTH * size
    cos, sin = size * angle.cos(), size * angle.sin()
    matrix = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    return Affine(matrix, SHIFT * torch.stack([right, down], 1))


def random_colours(x: Tensor) -> Tensor:
    """Change contrast and brightness of each channel of each image (N, C, H, W) in [-1, 1] by chance."""
    gain, offset = moved(torch.rand(2, *x.shape[:2], 1, 1, dtype=x.dtype), x.device)
    out: Tensor = (x * (0.6 + 0.8 * gain) + 0.6 * offset - 0.3).clamp(-1, 1)
    return out
