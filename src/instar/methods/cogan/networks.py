"""CoGAN's generators of pairs of digits. Its discriminator is `networks.digits`'."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from instar.modules.by_domain import by_domain

CODE = 100
"""Numbers in a code."""


class PairGenerator(nn.Module):
    """Draws a pair of digits, one of each domain, of one code; all but the last layers are shared."""

    def __init__(self, channels: int = 1, width: int = 128) -> None:
        """Draw weights from Xavier's uniform distribution at gain √2, biases 0.1.

        Args:
            channels: of the images.
            width: channels before the last layer; eight times as many after the first.
        """
        super().__init__()
        self.shared = nn.Sequential(
            *_up(CODE, 8 * width, 4, 1, 0),
            *_up(8 * width, 4 * width, 3, 2, 1),
            *_up(4 * width, 2 * width, 3, 2, 1),
            *_up(2 * width, width, 3, 2, 1),
        )
        self.own = by_domain((channels, channels), lambda count: nn.ConvTranspose2d(width, count, 6, 1, 1))
        for module in self.modules():
            if isinstance(module, nn.ConvTranspose2d):
                nn.init.xavier_uniform_(module.weight, math.sqrt(2))
                assert module.bias is not None
                nn.init.constant_(module.bias, 0.1)

    def forward(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Draw codes (N, 100): images (N, C, 28, 28) of a and of b, in [0, 1]."""
        shared = self.shared(code[:, :, None, None])
        return torch.sigmoid(self.own["a"](shared)), torch.sigmoid(self.own["b"](shared))


def _up(before: int, after: int, kernel: int, stride: int, padding: int) -> list[nn.Module]:
    return [
        nn.ConvTranspose2d(before, after, kernel, stride, padding),
        nn.BatchNorm2d(after, affine=False),
        nn.PReLU(),
    ]
