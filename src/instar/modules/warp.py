"""Random changes of the shapes in training images."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from instar.modules.affine import Affine

TURN, SHEAR, ZOOM, SHIFT = math.pi / 9, 0.3, 0.2, 0.1
"""Most of each at strength 1: radians, slope, logarithm, sides."""


def random_warp(x: Tensor, strength: float) -> Tensor:
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
    cos, sin, scale = (angle * TURN).cos(), (angle * TURN).sin(), (zoom * ZOOM).exp()[:, None]
    # A place in the output -> the place in the input from which it is read: turn, then shear, both zoomed.
    rows = [cos, cos * shear * SHEAR - sin], [sin, sin * shear * SHEAR + cos]
    matrix = torch.stack([torch.stack(row, 1) * scale for row in rows], 1)
    return Affine(matrix, torch.stack(shift, 1) * 2 * SHIFT).sampled(x)
