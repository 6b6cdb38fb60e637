"""Random affine maps of images, drawn anew for each."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

TURN = math.pi / 9  # 20 degrees
SHEAR, ZOOM, SHIFT = 0.3, 0.2, 0.1


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
    cos, sin, scale = (angle * TURN).cos(), (angle * TURN).sin(), (zoom * ZOOM).exp()
    # A place in the output -> the place in the input from which it is read: turn, then shear, both zoomed.
    rows = (
        torch.stack([cos, cos * shear * SHEAR - sin], 1) * scale[:, None],
        torch.stack([sin, sin * shear * SHEAR + cos], 1) * scale[:, None],
    )
    moved = torch.stack(shift, 1)[..., None] * 2 * SHIFT
    maps = torch.cat([torch.stack(rows, 1), moved], 2).to(x)
    grid = affine_grid(maps, list(x.shape), align_corners=False)
    return grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
