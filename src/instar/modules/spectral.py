"""Spectral normalisation (Miyato et al. 2018)."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from instar.modules.init import normal

LayerT = TypeVar("LayerT", nn.Conv2d, nn.Linear)


def spectral(layer: LayerT, std: float = 0.02) -> LayerT:
    """Draw a layer's weight from N(0, std) and keep its largest singular value at 1 from then on.

    In training each reading of `layer.weight` is one power iteration; in eval mode nothing moves. The weight cannot
    be drawn anew later: what `layer.weight` returns is made from the parameter, it is not the parameter.
    """
    spectral_norm(normal(layer, std))
    return layer


def weight_of(layer: nn.Conv2d | nn.Linear) -> Tensor:
    """Return the normalised weight, made in full precision: autocast would iterate in bf16."""
    with torch.autocast(next(layer.parameters()).device.type, enabled=False):
        return layer.weight


class SpectralConv2d(nn.Conv2d):
    """A convolution for `spectral`."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x (N, C, H, W) with the normalised weight."""
        out: Tensor = self._conv_forward(x, weight_of(self), self.bias)
        return out
