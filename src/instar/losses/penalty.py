"""Penalties on a discriminator's gradient."""

from __future__ import annotations

import torch
from torch import Tensor


def r1(output: Tensor, images: Tensor) -> Tensor:
    r"""Squared gradient at real images, \(E \|\nabla_x D(x)\|^2\): eq. 9 of Mescheder et al. 2018, no \(\gamma / 2\).

    Args:
        output: one raw number (N,) for each image, or maps (N, ...) of them, which are summed.
        images: (N, C, H, W), from which `output` was computed; they must require a gradient.

    Returns:
        A scalar in float32 or better, with a graph of its own.
    """
    total = output.to(torch.promote_types(output.dtype, torch.float32)).sum()
    (gradient,) = torch.autograd.grad(total, images, create_graph=True)
    return gradient.to(total.dtype).square().sum() / len(images)
