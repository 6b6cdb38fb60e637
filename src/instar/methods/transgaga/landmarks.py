"""Landmarks: from maps of logits to points, and from points back to maps.

A point is (x, y) with x to the right and y down. The middle of pixel j of W is at (2j + 1) / W - 1, so the image covers
[-1, 1] in both directions, whatever its size; this is `grid_sample`'s convention without aligned corners.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instar.core.precision import full_precision

SIGMA = 0.1
"""Deviation of a rendered landmark: 0.05 of a side (Jakab et al. 2018)."""


def centres(side: int, like: Tensor) -> Tensor:
    """Return the places (side,) of the middles of a row's pixels, in float32 or better, on the device of `like`."""
    kind = torch.promote_types(like.dtype, torch.float32)
    return (2 * torch.arange(side, device=like.device, dtype=kind) + 1) / side - 1


def soft_argmax(logits: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return where the softmax over all pixels of a map has its mean, and how far it spreads around it.

    With \(p\) the softmax and \(c\) the middle of a pixel: \(u = \sum p\, c\) and \(v = \sum p\, \|c - u\|^2\).

    Args:
        logits: maps (N, K, H, W).

    Returns:
        Points (N, K, 2) in (-1, 1) and variances (N, K), in float32 or better: under autocast logits come in bf16.
    """
    full = full_precision(logits)
    p = full.flatten(2).softmax(2).view(full.shape)
    x, y = centres(p.shape[3], p), centres(p.shape[2], p)
    across, down = p.sum(2), p.sum(3)
    u_x, u_y = (across * x).sum(2, keepdim=True), (down * y).sum(2, keepdim=True)
    variance = (across * (x - u_x).square()).sum(2) + (down * (y - u_y).square()).sum(2)
    return torch.cat([u_x, u_y], 2), variance


def render(points: Tensor, height: int, width: int, sigma: float = SIGMA) -> Tensor:
    r"""Draw each point as a bump \(\exp(-\|c - u\|^2 / 2 \sigma^2)\) with a peak of 1.

    Args:
        points: (N, K, 2); those outside [-1, 1] leave a tail, or nothing.
        height: of the maps in pixels.
        width: of the maps in pixels.
        sigma: deviation, in the coordinates of the points.

    Returns:
        Maps (N, K, height, width) in [0, 1].
    """
    x, y = points[..., :1], points[..., 1:]
    across = (-(centres(width, points) - x).square() / (2 * sigma**2)).exp()
    down = (-(centres(height, points) - y).square() / (2 * sigma**2)).exp()
    return down[..., None] * across[..., None, :]


def kept_inside(points: Tensor) -> Tensor:
    """Return points (N, K, 2) clamped to [-1, 1]; the gradient passes as if they were not."""
    return points + (points.clamp(-1, 1) - points).detach()
