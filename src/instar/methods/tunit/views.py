"""Another view of an image: moved, turned, sheared and scaled a little, in other colours."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as nnf

from instar.core.device import constant
from instar.core.raster import LUMA

DEGREES, SHIFT, SHEAR = 20.0, 0.1, 10.0
AREA, RATIO = (0.9, 1.1), (0.9, 1.1)
JITTER, HUE = 0.4, 0.125
"""The numbers of TUNIT's code."""


def random_view(x: Tensor, colour: float, area: tuple[float, float] = AREA) -> Tensor:
    """Return a view of each image, all drawn from torch's global generator.

    Turned by up to 20 degrees, moved by up to a tenth of its sides, sheared by up to 10 degrees, cropped to a part of
    its area at a ratio of 0.9 to 1.1, in one bilinear pass; what comes from outside is black.

    Args:
        x: images (N, C, H, W) in [-1, 1].
        colour: strength of the changes of brightness, contrast, saturation (each by up to 40 %) and hue (by up to an
            eighth of the circle); 1 is that of TUNIT's code, 0 leaves the colours.
        area: least and largest part of an image's area that its view shows.
    """
    with torch.autocast(x.device.type, enabled=False):
        grid = nnf.affine_grid(random_affine(x, area), list(x.shape), align_corners=False)
        moved = nnf.grid_sample((x + 1) / 2, grid, align_corners=False)
        return (random_colours(moved, colour) if colour else moved) * 2 - 1


def random_affine(x: Tensor, area: tuple[float, float] = AREA) -> Tensor:
    """Draw a map (N, 2, 3) from places in the view, of such a part of the area, to places in each image in [-1, 1]."""
    n = len(x)
    angle, shear = uniform(x, DEGREES) * math.pi / 180, uniform(x, SHEAR) * math.pi / 180
    part, ratio = between(x, *area), between(x, math.log(RATIO[0]), math.log(RATIO[1])).exp()
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(n, 2, 2)
    lean = torch.eye(2, dtype=x.dtype, device=x.device).repeat(n, 1, 1)
    lean[:, 0, 1] = shear.tan()
    scale = torch.diag_embed(torch.stack([(part * ratio).sqrt(), (part / ratio).sqrt()], 1))
    # Sides are 2 long here.
    shift = torch.stack([uniform(x, 2 * SHIFT), uniform(x, 2 * SHIFT)], 1)
    return torch.cat([turn @ lean @ scale, shift[:, :, None]], 2)


def random_colours(x: Tensor, strength: float) -> Tensor:
    """Return images (N, C, H, W) in [0, 1] in other colours: brightness, contrast, saturation, hue, in this order."""
    n, channels = x.shape[:2]
    bright, contrast, saturation = (1 + uniform(x, min(1.0, JITTER * strength)).view(n, 1, 1, 1) for _ in range(3))
    x = (x * bright).clamp(0, 1)
    if channels == 1:
        return x.mean((2, 3), keepdim=True).lerp(x, contrast).clamp(0, 1)
    if channels != 3:  # bands of no colour: contrast around the mean of all
        return x.mean((1, 2, 3), keepdim=True).lerp(x, contrast).clamp(0, 1)
    luma = constant(LUMA, x).view(1, 3, 1, 1)
    x = (x * luma).sum(1, keepdim=True).mean((2, 3), keepdim=True).lerp(x, contrast).clamp(0, 1)
    x = (x * luma).sum(1, keepdim=True).lerp(x, saturation).clamp(0, 1)
    turned = torch.einsum("nij,njhw->nihw", hue_rotation(uniform(x, min(0.5, HUE * strength))), x)
    return turned.clamp(0, 1)


def hue_rotation(share: Tensor) -> Tensor:
    """Return matrices (N, 3, 3) that turn colours by a share (N,) of the circle around the gray axis.

    Gray stays as it is, and so does the sum of the channels (Rodrigues' rotation around (1, 1, 1)).
    """
    cos, sin = (f(2 * math.pi * share).view(-1, 1, 1) for f in (torch.cos, torch.sin))
    one = torch.eye(3, dtype=share.dtype, device=share.device)
    axis = torch.full((3, 3), 1 / 3, dtype=share.dtype, device=share.device)
    cross = constant([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], share) / math.sqrt(3)
    return cos * one + (1 - cos) * axis + sin * cross


def uniform(like: Tensor, most: float) -> Tensor:
    """Draw a number (N,) in [-most, most] for each row."""
    return between(like, -most, most)


def between(like: Tensor, low: float, high: float) -> Tensor:
    """Draw a number (N,) in [low, high] for each row."""
    return low + (high - low) * torch.rand(len(like), dtype=like.dtype, device=like.device)
