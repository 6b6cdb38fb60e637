"""Affine maps of images, under which places in them are known."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as nnf

from instar.core.device import moved


class Affine(NamedTuple):
    """An affine map for each image: the place p of the new image shows what is at matrix · p + shift."""

    matrix: Tensor
    """(N, 2, 2)."""
    shift: Tensor
    """(N, 2)."""

    def image(self, x: Tensor) -> Tensor:
        """Move images (N, C, H, W); what comes in from outside repeats the border."""
        with torch.autocast(x.device.type, enabled=False):  # places rounded to bf16 would be pixels off
            return self.sampled(x)

    def sampled(self, x: Tensor) -> Tensor:
        """Do what `image` does, in the caller's precision."""
        theta = moved(torch.cat([self.matrix, self.shift[..., None]], 2).to(x.dtype), x.device)
        grid = nnf.affine_grid(theta, list(x.shape), align_corners=False)
        return nnf.grid_sample(x, grid, padding_mode="border", align_corners=False)

    def points(self, u: Tensor) -> Tensor:
        """Return where points (N, K, 2) of the images are in the new images."""
        (a, b), (c, d) = (row.unbind(1) for row in self.matrix.unbind(1))
        x, y = (u - self.shift[:, None]).unbind(2)
        size = (a * d - b * c)[:, None]
        return torch.stack([d[:, None] * x - b[:, None] * y, a[:, None] * y - c[:, None] * x], 2) / size[..., None]
