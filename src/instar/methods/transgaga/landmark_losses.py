"""What unsupervised landmarks should be like: apart, sharp, and on the same spot of whatever is moved (TransGaGa)."""

from __future__ import annotations

import torch
from torch import Tensor


def separation(points: Tensor, sigma: float = 0.16) -> Tensor:
    r"""\(\frac{1}{K (K - 1)} \sum_{i \ne j} \exp(-\|u_i - u_j\|^2 / 2 \sigma^2)\): landmarks should keep apart.

    Args:
        points: (N, K, 2), K at least 2.
        sigma: the distance at which two points mind each other most. A larger one pushes less where points start,
            close together: at 0.36 two of six stay on one spot.

    Returns:
        The mean over the N images, a scalar: 1 if all points of an image coincide. There the gradient is 0.
    """
    count = points.shape[1]
    apart = (points[:, :, None] - points[:, None]).square().sum(3)
    near = (-apart / (2 * sigma**2)).exp()
    return (near.sum((1, 2)) - count).mean() / (count * (count - 1))  # a point is at 0 from itself


def concentration(variance: Tensor) -> Tensor:
    """Return the mean of the variances (N, K) of the landmarks' maps: 0 if each is a single pixel."""
    return variance.mean()


def equivariance(found: Tensor, expected: Tensor) -> Tensor:
    """Return the mean squared distance of landmarks in a changed image from where the change took them.

    Args:
        found: points (N, K, 2).
        expected: points of the same shape; those outside [-1, 1] are not in the image and do not count.

    Returns:
        A scalar; 0 if no point is in its image.
    """
    inside = (expected.abs() <= 1).all(2)
    apart = (found - expected).square().sum(2)
    return torch.where(inside, apart, 0).sum() / inside.sum().clamp(min=1)
