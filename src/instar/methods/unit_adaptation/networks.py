"""UNIT's networks for digits: a variational autoencoder of two domains, and a discriminator that also classifies.

"Own" layers exist once for each domain, all others are shared. Images are 32 x 32 (the authors' `CoVAE32x32` and
`CoDis32x32`) or 28 x 28, for which the discriminator is that of CoGAN.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.batch import Domain
from instar.modules.by_domain import by_domain
from instar.modules.init import normal
from instar.networks.digits import DigitDiscriminator

Side = Literal[28, 32]


class Shift(nn.Module):
    """Batch norm without scale, then a learned shift for each channel and a leaky ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.by = nn.Parameter(torch.randn(channels) * 0.002)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (N, C, H, W)."""
        return nnf.leaky_relu(self.norm(x) + self.by[:, None, None], 0.01)


class DigitVAE(nn.Module):
    """Encoders and decoders of both domains around one code (N, 8 width, 1, 1)."""

    def __init__(self, channels: tuple[int, int], width: int = 64, side: Side = 32) -> None:
        """Build the networks with weights from N(0, 0.02).

        Args:
            channels: of the images of a and of b.
            width: channels after the first convolution.
            side: of the images. 32 is the authors' network; 28 takes 7 x 7 where that takes 8 x 8 or 4 x 4, and has
                one decoder layer less.
        """
        super().__init__()
        c = width
        # The encoders see each pixel's row and column too.
        self.own_encoder = by_domain(channels, lambda n: _down(n + 2, c, 5, 2, 2))
        self.encoder = nn.Sequential(
            _down(c, 2 * c, 5, 2, 2), _down(2 * c, 4 * c, side // 4, 1, 0), _down(4 * c, 8 * c, 1, 1, 0)
        )
        self.mean = nn.Conv2d(8 * c, 8 * c, 1)
        self.spread = nn.Conv2d(8 * c, 8 * c, 1)
        start = [_up(8 * c, 8 * c, 4, 1, 0), _up(8 * c, 4 * c, 4, 2, 1)] if side == 32 else [_up(8 * c, 4 * c, 7, 1, 0)]
        self.decoder = nn.Sequential(*start, _up(4 * c, 2 * c, 4, 2, 1))
        self.own_decoder = by_domain(
            channels, lambda n: nn.Sequential(_up(2 * c, c, 4, 2, 1), nn.ConvTranspose2d(c, n, 1), nn.Tanh())
        )
        normal(self)

    def encode(self, x: Tensor, domain: Domain) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation (N, 8 width, 1, 1) of the codes of images (N, C, side, side)."""
        return self._heads(self._front(x, domain))

    def encode_both(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of the codes of a, then of b; they share the batch's statistics."""
        return self._heads(torch.cat([self._front(a, "a"), self._front(b, "b")]))

    def decode(self, code: Tensor, domain: Domain) -> Tensor:
        """Return the images (N, C, side, side) in [-1, 1] of a domain for codes (N, 8 width, 1, 1)."""
        out: Tensor = self.own_decoder[domain](self.decoder(code))
        return out

    def decode_both(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images in a and in b of the same codes; what the domains share is computed once."""
        shared = self.decoder(code)
        return self.own_decoder["a"](shared), self.own_decoder["b"](shared)

    def _front(self, x: Tensor, domain: Domain) -> Tensor:
        out: Tensor = self.own_encoder[domain](with_coordinates(x))
        return out

    def _heads(self, front: Tensor) -> tuple[Tensor, Tensor]:
        shared = self.encoder(front)
        return self.mean(shared), nnf.softplus(self.spread(shared))


def codis32x32(channels: tuple[int, int], width: int = 64, classes: int = 10) -> DigitDiscriminator:
    """Return the authors' discriminator: four stages with ReLU and pooling, 512 x 2 x 2 features at width 64."""
    c = width

    def stage(before: int, after: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(before, after, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2))

    return DigitDiscriminator(
        by_domain(channels, lambda n: stage(n, c)),
        [stage(c, 2 * c), stage(2 * c, 4 * c), stage(4 * c, 8 * c)],
        (nn.Conv2d(8 * c, 2, 2), nn.Conv2d(8 * c, classes, 2)),
        (0.1, 0.3, 0.5, 0.5),
    )


def with_coordinates(x: Tensor) -> Tensor:
    """Append two channels to x (N, C, H, W): each pixel's row and column, from -1 at the first in steps of 2 / H."""
    n, _, height, width = x.shape
    rows = torch.arange(height, device=x.device, dtype=x.dtype) * (2 / height) - 1
    columns = torch.arange(width, device=x.device, dtype=x.dtype) * (2 / width) - 1
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
    return torch.cat([x, grid.expand(n, -1, -1, -1)], 1)


def _down(before: int, after: int, kernel: int, stride: int, padding: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(before, after, kernel, stride, padding), Shift(after))


def _up(before: int, after: int, kernel: int, stride: int, padding: int) -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(before, after, kernel, stride, padding), Shift(after))
