"""U-GAT-IT's attention and adaptive norms in Quick's networks, for trainings of minutes."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.precision import full_precision
from instar.methods.ugatit.adalin import AdaLIN
from instar.methods.ugatit.networks import heat_map
from instar.modules.equalised import EqualConv, activate
from instar.networks.blend import BlendGenerator
from instar.networks.whole import WholeDiscriminator

WIDTH = 64
"""Channels of the generator on its grid of 16 x 16; the discriminator begins with half as many."""
STYLED = 2
"""Residual blocks with adaptive norms."""


class EqualCAM(nn.Module):
    """CAM with equalised layers: the weights of two classifiers say which channels matter.

    As in `CAM`, the map is multiplied, channel by channel, with the weights of either classifier, and a 1x1 convolution
    mixes the two: that is one convolution, since the weights are the same for every image and place.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.classifiers = nn.Parameter(torch.randn(2, channels))
        """Of the average and of the maximum of each channel."""
        self.mix = EqualConv(2 * channels, channels, 1, gain=1)
        self.scale = channels**-0.5

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the attended map (N, C, H, W), before its activation, and the logits (N, 2)."""
        with torch.autocast(x.device.type, enabled=False):
            full = x.to(self.classifiers.dtype)
            pooled = torch.stack([full.mean((2, 3)), full.amax((2, 3))], 1)
            logits = (pooled * self.classifiers).sum(2) * self.scale
        by_average, by_maximum = self.mix.weight.chunk(2, 1)
        first, second = self.classifiers[:, :, None, None]
        kernel = (by_average * first + by_maximum * second) * self.mix.scale
        return nnf.conv2d(x, kernel, self.mix.bias), logits


class StyledBlock(nn.Module):
    """x + conv(AdaLIN(conv(x))): the norm is beside the way of x, where no spot can steer a channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = EqualConv(width, width)
        self.norm = AdaLIN(width, 0.0)
        self.second = EqualConv(width, width, start=0.1)

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape; gamma and beta are (N, C)."""
        inside = activate(self.norm(self.first(activate(x)), gamma, beta))
        out: Tensor = x + self.second(inside)
        return out


class LightGenerator(BlendGenerator):
    """Quick's generator, which looks where the domains differ: CAM and AdaLIN on its grid of 16 x 16."""

    side = None
    """It takes squares of other sides too, at the scale of its training."""

    def __init__(self, channels: int, side: int) -> None:
        """Draw the weights, for images (N, channels, side, side)."""
        super().__init__(channels, WIDTH, tail=WIDTH // 4, side=side)
        self.cam = EqualCAM(WIDTH)
        self.read = EqualConv(WIDTH, WIDTH, 1)
        self.gamma, self.beta = (EqualConv(WIDTH, WIDTH, 1, start=0.1) for _ in range(2))
        self.styled = nn.ModuleList(StyledBlock(WIDTH) for _ in range(STYLED))

    def generate(self, x: Tensor, more: Tensor) -> tuple[Tensor, Tensor]:
        """Return the translations of images (N, C, H, W), and the logits (N + M, 2) for them and for M more."""
        features = self._encode(torch.cat([x, more]))
        attended, logits = self.cam(features["middle"])
        n = len(x)
        out, _ = self._drawn({name: feature[:n] for name, feature in features.items()}, attended[:n])
        return out, logits

    def heat_map(self, x: Tensor) -> Tensor:
        """Return where the generator looks in x: maps (N, h, w), each stretched to [0, 1]; a flat one is 0."""
        return heat_map(activate(self.cam(self._encode(x)["middle"])[0]))

    def _finish(self, features: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        return self._drawn(features, self.cam(features["middle"])[0])

    def _drawn(self, features: Mapping[str, Tensor], attended: Tensor) -> tuple[Tensor, Tensor]:
        read = activate(self.read(activate(attended).mean((2, 3), keepdim=True)))
        gamma, beta = (full_precision(one(read)).flatten(1) for one in (self.gamma, self.beta))
        middle = features["middle"] + attended
        for block in self.styled:
            middle = block(middle, 1 + gamma, beta)
        return super()._finish({**features, "middle": middle})


class LightDiscriminator(WholeDiscriminator):
    """Quick's discriminator of whole images with attention, whose classifiers have a say in what looks real.

    One number, so that the penalty on its gradient weighs as much as Quick's: on three it held a discriminator at
    chance.
    """

    def __init__(self, channels: int, side: int) -> None:
        """Draw the weights, for images (N, channels, side, side)."""
        super().__init__(channels, WIDTH // 2, side)
        self.cam = EqualCAM(self.widest)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, side, side) to raw outputs (N,): that for the image as a whole, and of both classifiers, added."""
        attended, logits = self.cam(activate(self.features(x)))
        out: Tensor = (self.score_of(attended) + logits.sum(1)) / math.sqrt(3)
        return out
