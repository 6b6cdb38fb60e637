"""UNIT's networks for digits: a variational autoencoder of two domains, and a discriminator that also classifies.

"Own" layers exist once for each domain, all others are shared. Images are 32 x 32 (the authors' `CoVAE32x32` and
`CoDis32x32`) or 28 x 28 (the discriminator of CoGAN for MNIST and USPS, Liu and Tuzel 2016).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.batch import Domain
from instar.modules.by_domain import by_domain
from instar.modules.init import normal

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


class DigitDiscriminator(nn.Module):
    """Convolutions, of which the first is the domain's own, and two heads: real or not, and which class."""

    def __init__(
        self,
        own: nn.ModuleDict,
        trunk: Sequence[nn.Module],
        heads: tuple[nn.Conv2d, nn.Conv2d],
        rates: tuple[float, ...] = (),
    ) -> None:
        """Draw weights from Xavier's uniform distribution at gain √2, biases 0.1.

        Args:
            own: by domain, the first stage.
            trunk: the shared stages.
            heads: the last layers of the two outputs; their maps have one place.
            rates: of the dropout after each stage.
        """
        super().__init__()
        self.own = own
        self.trunk = nn.ModuleList(trunk)
        self.real, self.label = heads
        self.rates = rates
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.xavier_uniform_(module.weight, math.sqrt(2))
                nn.init.constant_(module.bias, 0.1)

    def features(self, a: Tensor, b: Tensor, *, drop: bool = True) -> Tensor:
        """Return the features (Na + Nb, F, h, w) of images of a, then of b; without dropout if `drop` is off."""
        x = torch.cat([self.own["a"](a), self.own["b"](b)])
        return self._trunk(x, self.rates if drop else ())

    def realness(self, features: Tensor) -> Tensor:
        """Return the logits (N) of being real: the difference of the two logits of a softmax."""
        logits: Tensor = self.real(features)
        return logits[:, 1, 0, 0] - logits[:, 0, 0, 0]

    def classes(self, features: Tensor) -> Tensor:
        """Return the logits (N, classes) of the labels."""
        return self.label(features)[:, :, 0, 0]  # type: ignore[no-any-return]

    def classify(self, x: Tensor, domain: Domain) -> Tensor:
        """Return the logits (N, classes) of the labels of images (N, C, side, side) of a domain."""
        return self.classes(self._trunk(self.own[domain](x), self.rates))

    def _trunk(self, x: Tensor, rates: tuple[float, ...]) -> Tensor:
        for i, stage in enumerate([nn.Identity(), *self.trunk]):
            x = stage(x)
            if rates:
                x = nnf.dropout(x, rates[i], self.training)
        return x


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


def codis28x28(channels: tuple[int, int], classes: int = 10) -> DigitDiscriminator:
    """Return CoGAN's discriminator for MNIST and USPS: a LeNet with 20, 50 and 500 channels, without dropout."""
    return DigitDiscriminator(
        by_domain(channels, lambda n: nn.Sequential(nn.Conv2d(n, 20, 5), nn.MaxPool2d(2))),
        [nn.Sequential(nn.Conv2d(20, 50, 5), nn.MaxPool2d(2)), nn.Sequential(nn.Conv2d(50, 500, 4), nn.PReLU())],
        (nn.Conv2d(500, 2, 1), nn.Conv2d(500, classes, 1)),
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
