"""Random affine maps of images, drawn anew for each: of places, under which landmarks are known, and of colours."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as nnf

TURN, GROWTH, SHIFT = math.radians(15), 0.15, 0.1
"""Largest turn, change of size, and shift in half sides of `random_affine`."""
WARP_TURN, WARP_SHEAR, WARP_ZOOM, WARP_SHIFT = math.pi / 9, 0.3, 0.2, 0.1
"""The same of `warp` at strength 1, whose shift is in sides."""


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
        theta = torch.cat([self.matrix, self.shift[..., None]], 2).to(x)
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


def warp(x: Tensor, strength: float) -> Tensor:
    """Turn, shear, zoom and shift each image by amounts of its own; edges repeat.

    At strength 1 uniform within ±20 degrees, a shear of ±0.3, a zoom between e^-0.2 and e^0.2 and shifts of a tenth of
    the side; smaller strengths in proportion. Chance comes from torch's global generator, drawn on the CPU. Under bf16
    autocast the places are rounded, by less than a tenth of a pixel at 28 px: nothing to an augmentation.

    Args:
        x: images (N, C, H, W).
        strength: 0 gives the images back.

    Returns:
        Images like `x`, sampled bilinearly.
    """
    if not strength:
        return x
    angle, shear, zoom, *shift = (torch.rand(5, len(x), dtype=torch.float64) * 2 - 1) * strength
    cos, sin, scale = (angle * WARP_TURN).cos(), (angle * WARP_TURN).sin(), (zoom * WARP_ZOOM).exp()[:, None]
    # A place in the output -> the place in the input from which it is read: turn, then shear, both zoomed.
    rows = [cos, cos * shear * WARP_SHEAR - sin], [sin, sin * shear * WARP_SHEAR + cos]
    matrix = torch.stack([torch.stack(row, 1) * scale for row in rows], 1)
    return Affine(matrix, torch.stack(shift, 1) * 2 * WARP_SHIFT).sampled(x)


def recoloured(x: Tensor) -> Tensor:
    """Change contrast and brightness of each channel of each image (N, C, H, W) in [-1, 1] by chance."""
    gain, offset = torch.rand(2, *x.shape[:2], 1, 1, dtype=x.dtype).to(x.device)
    out: Tensor = (x * (0.6 + 0.8 * gain) + 0.6 * offset - 0.3).clamp(-1, 1)
    return out


def painted(x: Tensor) -> Tensor:
    """Give the dark and the light of each image random colours: even, or changing softly over the image.

    What is -1 takes one colour, what is 1 another, and grays lie between. Both colours of an image are those of random
    grids of 1 (even), 2, 4 or 8 places a side, a quarter of the images each, read bilinearly. Any contrast may come
    out, even none. Chance comes from torch's global generator, drawn on the CPU.

    Args:
        x: images (N, C, H, W) in [-1, 1], gray ones with their channel repeated.

    Returns:
        Images like `x`, in [-1, 1].
    """
    places = torch.rand(2 * len(x), x.shape[1], 8, 8) * 2 - 1
    grid = torch.randint(4, (len(x),)).repeat(2)
    fields = torch.empty(2 * len(x), *x.shape[1:])
    for i, side in enumerate((1, 2, 4, 8)):
        cells = places[grid == i, :, :side, :side]
        fields[grid == i] = nnf.interpolate(cells, x.shape[2:], mode="bilinear", align_corners=True)
    dark, light = fields.to(x).chunk(2)
    return dark + (light - dark) * (x + 1) / 2
