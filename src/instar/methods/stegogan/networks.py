"""StegoGAN's generators: CycleGAN's, of which one takes features out on the way and the other may put them in."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from instar.modules.init import normal
from instar.modules.masked import Masked
from instar.modules.norms import InstanceNorm
from instar.networks.resnet import ResidualBlock, decoder_layers, encoder_layers, with_input


class Separated(NamedTuple):
    """What a generator makes of an image when it takes out what the other domain does not have."""

    image: Tensor
    """The translation (N, C, H, W)."""
    removed: Tensor
    """Features (N, 4 * width, H / 4, W / 4) that were taken out."""
    mask: Tensor
    """Maps (N, 1, H / 4, W / 4) in (0, 1): at each place the largest share of a feature that was taken out."""


class SplitGenerator(Masked):
    """CycleGAN's generator in two parts, between two of its residual blocks."""

    size_divisor = 4
    """Sides that are multiples of this come out as they went in."""

    def __init__(
        self, channels: int, width: int, blocks: int, split: int, *, out: int, antialias: bool, skip: bool
    ) -> None:
        """Build the generator.

        Args:
            channels: of the images that go in.
            width: channels after the first convolution.
            blocks: residual blocks.
            split: how many of them the first part has.
            out: channels of the images that come out.
            antialias: blur before downsampling and interpolate before convolving, instead of strided convolutions.
            skip: add the input before the tanh.
        """
        super().__init__()
        self.skip, deep = skip, 4 * width
        layers = [layer for _, layer, _ in encoder_layers(channels, width, split, antialias)]
        self.first = nn.Sequential(*layers)
        rest = (ResidualBlock(deep) for _ in range(blocks - split))
        self.second = nn.Sequential(*rest, *decoder_layers(out, width, antialias))

    def finish(self, features: Tensor, x: Tensor) -> Tensor:
        """Return images (N, out, H, W) in [-1, 1] for what the first part made of x."""
        raw = self.second(features)
        return self.limit(with_input(raw, x) if self.skip else torch.tanh(raw), x)


class AddingGenerator(SplitGenerator):
    """A generator to which features may be added that its input does not show."""

    def __init__(
        self, channels: int, width: int, blocks: int, split: int, *, out: int, antialias: bool, skip: bool
    ) -> None:
        """Build the generator with its initial weights; parameters are as of `SplitGenerator`."""
        super().__init__(channels, width, blocks, split, out=out, antialias=antialias, skip=skip)
        self.fusion = ResidualBlock(4 * width)
        normal(self)

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """Translate x (N, C, H, W); `added` are features (N, 4 * width, H / 4, W / 4)."""
        features = self.first(x)
        return self.finish(features if added is None else features + self.fusion(added), x)


class SeparatingGenerator(SplitGenerator):
    """A generator that takes out of its features what its target does not have."""

    def __init__(
        self, channels: int, width: int, blocks: int, split: int, *, out: int, antialias: bool, skip: bool
    ) -> None:
        """Build the generator with its initial weights; parameters are as of `SplitGenerator`."""
        super().__init__(channels, width, blocks, split, out=out, antialias=antialias, skip=skip)
        deep = 4 * width
        self.matchability = nn.Sequential(
            nn.Conv2d(deep, deep, 3, padding=1),
            InstanceNorm(),
            nn.ReLU(inplace=True),
            nn.Conv2d(deep, deep, 3, padding=1),
            InstanceNorm(),
            nn.ReLU(inplace=True),
            nn.Conv2d(deep, deep, 3, padding=1),
        )
        normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Translate x (N, C, H, W)."""
        features = self.first(x)
        return self.finish(features * torch.sigmoid(self.matchability(features)), x)

    def separate(self, x: Tensor) -> Separated:
        """Translate x (N, C, H, W) and return what was taken out too."""
        features = self.first(x)
        kept = torch.sigmoid(self.matchability(features))
        image = self.finish(features * kept, x)
        return Separated(image, features * (1 - kept), (1 - kept).amax(1, keepdim=True))
