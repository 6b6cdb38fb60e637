"""Random changes of an image under which its landmarks are known: where things are, and what colour they have."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as nnf

TURN, GROWTH, SHIFT = math.radians(15), 0.15, 0.1
"""Largest turn, change of size, and shift in half sides."""


class Affine(NamedTuple):
    """An affine map for each image: the place p of the new image shows what is at matrix · p + shift."""

    matrix: Tensor
    """(N, 2, 2)."""
    shift: Tensor
    """(N, 2)."""

    def image(self, x: Tensor) -> Tensor:
        """Move images (N, C, H, W); what comes in from outside repeats the border."""
        with torch.autocast(x.device.type, enabled=False):  # places rounded to bf16 would be pixels off
            theta = torch.cat([self.matrix, self.shift[..., None]], 2)
            grid = nnf.affine_grid(theta, list(x.shape), align_corners=False)
            return nnf.grid_sample(x, grid, padding_mode="border", align_corners=False)

    def points(self, u: Tensor) -> Tensor:
        """Return where points (N, K, 2) of the images are in the new images."""
        (a, b), (c, d) = (row.unbind(1) for row in self.matrix.unbind(1))
        x, y = (u - self.shift[:, None]).unbind(2)
        size = (a * d - b * c)[:, None]
        return torch.stack([d[:, None] * x - b[:, None] * y, a[:, None] * y - c[:, None] * x], 2) / size[..., None]


def random_affine(x: Tensor) -> Affine:
    """Draw a map for each image of x (N, C, H, W), which turns, scales and shifts it a little."""
    angle, size, right, down = (torch.rand(4, len(x), dtype=x.dtype).to(x.device) * 2 - 1).unbind()
    angle, size = TURN * angle, 1 + GROWTH * size
    cos, sin = size * angle.cos(), size * angle.sin()
    matrix = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    return Affine(matrix, SHIFT * torch.stack([right, down], 1))


def recoloured(x: Tensor) -> Tensor:
    """Change contrast and brightness of each channel of each image (N, C, H, W) in [-1, 1] by chance."""
    gain, offset = torch.rand(2, *x.shape[:2], 1, 1, dtype=x.dtype).to(x.device)
    out: Tensor = (x * (0.6 + 0.8 * gain) + 0.6 * offset - 0.3).clamp(-1, 1)
    return out
