"""Edges and shades stay in their places, whatever their colours become."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as nnf

from instar.core.device import constant
from instar.core.precision import full_precision
from instar.core.raster import LUMA

SIDE = 9
"""Side of a neighbourhood in pixels."""
FLOOR = 1e-3
"""Variance below which a neighbourhood, in [-1, 1], counts as flat."""


def local_correlation_loss(x: Tensor, y: Tensor) -> Tensor:
    r"""\(E[1 - \rho^2]\), where \(\rho\) is the correlation of the luminances of x and y in a neighbourhood of 9 x 9.

    Blind to brightness, contrast and sign of each neighbourhood, as between day and night: a dark sky above lit houses
    has the edges of a bright one above dark houses. Neighbourhoods count as much as there is to see in x. The square of
    the structure term of SSIM (Wang et al. 2004), with a box for the window.

    Args:
        x: inputs (N, C, H, W) in [-1, 1], of any number of channels; they get no gradient.
        y: their translations, of the same shape.

    Returns:
        A scalar in [0, 1], in float32 or better.
    """
    a, b = _luminance(x.detach()), _luminance(y)
    mean_a, mean_b = _box(a), _box(b)
    variance_a, variance_b = _box(a * a) - mean_a**2, _box(b * b) - mean_b**2
    both = _box(a * b) - mean_a * mean_b
    alike = (both**2 + FLOOR**2) / ((variance_a.clamp(min=0) + FLOOR) * (variance_b.clamp(min=0) + FLOOR))
    weight = variance_a / (variance_a + 10 * FLOOR)
    return (weight * (1 - alike)).sum() / weight.sum().clamp(min=1)


def _luminance(images: Tensor) -> Tensor:
    images = full_precision(images)
    if images.shape[1] == 1:
        return images
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    return (images * constant(LUMA, images)[:, None, None]).sum(1, keepdim=True)


def _box(x: Tensor) -> Tensor:
    return nnf.avg_pool2d(x, SIDE, 1, SIDE // 2, count_include_pad=False)
