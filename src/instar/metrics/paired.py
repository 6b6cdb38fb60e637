"""Scores of a translation against the true image of the same place, one number per image.

All take two tensors (N, 3, H, W) in [-1, 1] and return (N,); average them for the score of a test set. Both are first
rounded to 8-bit values 0..255, as saving them to files does, so that a tensor and its file score alike.
"""

from __future__ import annotations

import torch
from torch import Tensor


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


def pixel_accuracy(x: Tensor, y: Tensor, threshold: float = 16) -> Tensor:
    """Return the share of pixels right in each image (N,), 0..1: all channels differ by less than `threshold`.

    The score of aerial photo to map. UNIT (Liu et al. 2017) counts with 16, GcGAN (Fu et al. 2019) with 5 and 10;
    a difference of exactly `threshold` is wrong.
    """
    return (_difference(x, y).abs().amax(1) < threshold).double().mean((1, 2))


def _difference(x: Tensor, y: Tensor) -> Tensor:
    """Return the difference (N, C, H, W) of the 8-bit values, -255..255, as float64."""
    if x.ndim != 4 or x.shape != y.shape:
        raise ValueError(f"paired scores need two tensors (N, C, H, W) of one shape, got {x.shape} and {y.shape}")
    return _eight_bit(x) - _eight_bit(y)


def _eight_bit(images: Tensor) -> Tensor:
    """Map [-1, 1] to the nearest of 0, 1, ..., 255."""
    return ((images.double().clamp(-1, 1) + 1) * 127.5).round()
