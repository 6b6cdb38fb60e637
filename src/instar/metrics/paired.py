"""Scores of a translation against the true image of the same place, one number per image.

All take two tensors (N, 3, H, W) in [-1, 1] and return (N,); average them for the score of a test set. Both are first
rounded to 8-bit values 0..255, as saving them to files does, so that a tensor and its file score alike.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, conv2d

from instar.metrics.features import resize

_PLACES = 8
"""Along a side, of which one is where two images differ most."""
_WINDOW, _SIGMA = 11, 1.5
"""Of SSIM's Gaussian, in pixels."""


def rmse(x: Tensor, y: Tensor, sum_channels: bool = False) -> Tensor:
    """Return √(mean squared difference) of each image (N,), 0..255; 0 is best.

    Args:
        x: Translations (N, C, H, W) in [-1, 1].
        y: The true images, like `x`.
        sum_channels: Divide by H W instead of C H W, as GcGAN's script for the maps does: √C times as large.
    """
    squares = _difference(x, y).square()
    per_pixel = squares.sum(1) if sum_channels else squares.mean(1)
    return per_pixel.mean((1, 2)).sqrt()


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio 20 log10(255 / rmse) of each image (N,) in dB; equal images give inf."""
    return 20 * torch.log10(255 / rmse(x, y))


def l1(x: Tensor, y: Tensor) -> Tensor:
    """Return the mean absolute difference of each image (N,), 0..255; 0 is best."""
    return _difference(x, y).abs().mean((1, 2, 3))


def local_l1(x: Tensor, y: Tensor) -> Tensor:
    """Return the mean absolute difference where it is largest on a grid of 8 x 8 places of each image (N,), 0..255."""
    return adaptive_avg_pool2d(_difference(x, y).abs(), _PLACES).mean(1).amax((1, 2))


def pixel_accuracy(x: Tensor, y: Tensor, threshold: float = 16) -> Tensor:
    """Return the share of pixels right in each image (N,), 0..1: all channels differ by less than `threshold`.

    The score of aerial photo to map. UNIT (Liu et al. 2017) counts with 16, GcGAN (Fu et al. 2019) with 5 and 10;
    a difference of exactly `threshold` is wrong.
    """
    return (_difference(x, y).abs().amax(1) < threshold).double().mean((1, 2))


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Return the structural similarity of each image (N,), -1..1; 1 for equal images (Wang et al. 2004, eq. 13).

    As the authors compute it: a Gaussian window of 11 pixels with σ = 1.5, K1 = 0.01, K2 = 0.03, moments divided by
    N, averaged over the places where the window fits. Colour images: the mean over channels.

    Raises:
        ValueError: the shapes differ, or a side has less than 11 pixels.
    """
    if x.ndim != 4 or x.shape != y.shape or min(x.shape[2:]) < _WINDOW:
        shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise ValueError(f"SSIM needs two tensors (N, C, H, W) of one shape, 11 pixels or more, got {shapes}")
    a, b = _eight_bit(x).flatten(0, 1)[:, None], _eight_bit(y).flatten(0, 1)[:, None]
    mean_a, mean_b = _blur(a), _blur(b)
    var_a, var_b = _blur(a * a) - mean_a**2, _blur(b * b) - mean_b**2
    covariance = _blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    structure = (2 * covariance + c2) / (var_a + var_b + c2)
    similarity = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1) * structure
    return similarity.view(*x.shape[:2], -1).mean((1, 2))


class MapScores(NamedTuple):
    """Aerial photo to map, one number per image."""

    rmse: Tensor
    """(N,), 0..255, or 0..442 in the compatible form."""
    accuracy: dict[int, Tensor]
    """By threshold: the share of pixels right, (N,), 0..1."""
    name: str
    """The form, as it is printed beside the numbers."""


def map_scores(x: Tensor, y: Tensor, compatible: bool = False) -> MapScores:
    """Return the scores of the maps: RMSE, and pixel accuracy with the thresholds 5, 10 and 16.

    UNIT (Liu et al. 2017) counts with 16, GcGAN (Fu et al. 2019) with 5 and 10. GcGAN's script resizes both images to
    256² (bilinear) first, and divides the squared error by the pixels only, so that its RMSE is √3 times the usual one.

    Args:
        x: translations (N, 3, H, W) in [-1, 1].
        y: the true maps, like `x`.
        compatible: score as that script does, to compare with GcGAN's table. Otherwise as the images are, with the
            usual RMSE.
    """
    if compatible:
        # At 256² nothing is resized; the script's library for other sizes is not recorded, here it is PIL's filter.
        x, y = (resize(images, 256) / 127.5 - 1 for images in (x, y))
    accuracy = {threshold: pixel_accuracy(x, y, threshold) for threshold in (5, 10, 16)}
    name = "maps as GcGAN's script, at 256²" if compatible else f"maps, at {x.shape[3]} x {x.shape[2]}"
    return MapScores(rmse(x, y, sum_channels=compatible), accuracy, name)


def _blur(planes: Tensor) -> Tensor:
    """Return the Gaussian means (M, 1, H - 10, W - 10) of planes (M, 1, H, W)."""
    places = torch.arange(_WINDOW, device=planes.device) - _WINDOW // 2
    row = torch.exp(-places.to(planes.dtype).square() / (2 * _SIGMA**2))
    row /= row.sum()
    return conv2d(conv2d(planes, row.view(1, 1, 1, -1)), row.view(1, 1, -1, 1))


def _difference(x: Tensor, y: Tensor) -> Tensor:
    """Return the difference (N, C, H, W) of the 8-bit values, -255..255, as float64."""
    if x.ndim != 4 or x.shape != y.shape:
        raise ValueError(f"paired scores need two tensors (N, C, H, W) of one shape, got {x.shape} and {y.shape}")
    return _eight_bit(x) - _eight_bit(y)


def _eight_bit(images: Tensor) -> Tensor:
    """Map [-1, 1] to the nearest of 0, 1, ..., 255."""
    return ((images.double().clamp(-1, 1) + 1) * 127.5).round()
