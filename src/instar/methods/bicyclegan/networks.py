"""BicycleGAN's encoder of styles, and its discriminator at two scales. Its generator is a U-Net with a style."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.modules.norms import InstanceNorm
from instar.networks.patchgan import PatchGAN

Kind = Literal["resnet", "conv"]


class StyleEncoder(nn.Module):
    """An image's style as a normal distribution: mean and log variance of each of its numbers.

    The features of the last layer are averaged over all places, so an image may have any size. At the size of
    training their map is 8 x 8.
    """

    def __init__(
        self, channels: int = 3, width: int = 64, halvings: int = 5, style: int = 8, *, kind: Kind = "resnet"
    ) -> None:
        """Build the encoder.

        Args:
            channels: of the images.
            width: channels after the first convolution, at most four times as many later.
            halvings: of the sides; 5 takes 256 px to 8.
            style: numbers in a style.
            kind: resnet, a convolution and residual blocks, or conv, convolutions alone.
        """
        super().__init__()
        widths = [width * min(i + 1 if kind == "resnet" else 2**i, 4) for i in range(halvings)]
        first = nn.Conv2d(channels, width, 4, 2, 1)
        if kind == "resnet":
            self.body = nn.Sequential(first, *(HalvingBlock(*pair) for pair in pairwise(widths)), _act())
        else:
            self.body = nn.Sequential(first, _act(), *(_conv(*pair) for pair in pairwise(widths)))
        self.mu = nn.Linear(widths[-1], style)
        self.logvar = nn.Linear(widths[-1], style)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map images (N, C, H, W) to mean and log variance, (N, style) each."""
        features = self.body(x).mean((2, 3))
        return self.mu(features), self.logvar(features)


class HalvingBlock(nn.Module):
    """norm-LeakyReLU-conv twice, then the sides are halved, in the shortcut too."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            InstanceNorm(),
            _act(),
            nn.Conv2d(cin, cin, 3, 1, 1),
            InstanceNorm(),
            _act(),
            nn.Conv2d(cin, cout, 3, 1, 1),
            nn.AvgPool2d(2),
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(cin, cout, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H // 2, W // 2)."""
        out: Tensor = self.body(x) + self.shortcut(x)
        return out


class TwoScalePatchGAN(nn.Module):
    """A patch discriminator for the image, and one of half the width for the image at half its size.

    With 3 layers they see patches of 70 px and of about 140 px.
    """

    def __init__(self, channels: int = 3, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        self.fine = PatchGAN(channels, width, layers)
        self.coarse = PatchGAN(channels, max(1, width // 2), layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map (N, C, H, W) to two maps of raw outputs: 256 px gives 30 x 30 and 14 x 14 with 3 layers."""
        half = nnf.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        return [self.fine(x), self.coarse(half)]


def _conv(cin: int, cout: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(cin, cout, 4, 2, 1), InstanceNorm(), _act())


def _act() -> nn.Module:
    return nn.LeakyReLU(0.2, inplace=True)
