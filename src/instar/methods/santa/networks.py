"""SANTA's generator: CycleGAN's, whose second half draws the images on the way from one domain to the other."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from instar.modules.masked import Masked
from instar.modules.norms import adaptive_instance_norm
from instar.modules.resample import BlurUp
from instar.networks.resnet import encoder_layers, with_input

STYLE = 8
"""Numbers that stand for a place on the path."""


class PathGenerator(Masked):
    """An encoder with half of the residual blocks; a decoder whose norms are set by a place on the path.

    The place 0 is the domain of the input, 1 the target. A place between is the straight line between two learned
    vectors; each norm of the decoder takes its scales and shifts from there.
    """

    size_divisor = 4
    """Sides that are multiples of this come out as they went in."""

    def __init__(
        self, channels: int = 3, width: int = 64, blocks: int = 9, *, antialias: bool = False, skip: bool = False
    ) -> None:
        """Build the generator.

        Args:
            channels: of the images.
            width: channels after the first convolution.
            blocks: residual blocks; of an odd number the decoder has one more.
            antialias: blur before downsampling and interpolate before convolving, instead of strided convolutions.
            skip: add the input before the tanh.
        """
        super().__init__()
        self.skip = skip
        deep, first = 4 * width, blocks // 2
        layers = encoder_layers(channels, width, first, antialias)
        self.encoder = nn.Sequential(OrderedDict((name, layer) for name, layer, _ in layers))
        self.blocks = nn.ModuleList(PlacedBlock(deep) for _ in range(blocks - first))
        self.ups = nn.ModuleList(PlacedUp(c, c // 2, antialias) for c in (deep, deep // 2))
        self.last = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(width, channels, 7))
        self.ends = nn.Parameter(torch.randn(2, STYLE))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) in [-1, 1] to the end of the path; H and W multiples of 4."""
        place = x.new_ones(x.shape[0])  # not len(x), which an export would take for a constant
        return self.decode(self.encoder(x), place, x)

    def decode(self, latent: Tensor, place: Tensor, x: Tensor) -> Tensor:
        """Return the images (N, C, H, W) in [-1, 1] at places (N,) of the path of x, (N, C, H, W).

        `latent`, (N, 4 * width, H / 4, W / 4), is what the encoder makes of x.
        """
        raw = self.trace(latent, place)[-1]
        return self.limit(with_input(raw, x) if self.skip else torch.tanh(raw), x)

    def trace(self, latent: Tensor, place: Tensor) -> list[Tensor]:
        """Return the decoder's features at places (N,), from the coarsest to the output before the tanh.

        They are those of the first block and of the last but one, and of the two upsampling convolutions.
        """
        start, end = self.ends
        style = start + place[:, None].to(start) * (end - start)
        found = []
        for i, block in enumerate(self.blocks):
            latent = block(latent, style)
            if i in (0, len(self.blocks) - 2):
                found.append(latent)
        for up in self.ups:
            convolved, latent = up(latent, style)
            found.append(convolved)
        return [*found, self.last(latent)]


class PlacedNorm(nn.Module):
    """AdaIN whose scales and shifts are linear in a style (N, S), scales around 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.affine = nn.Linear(STYLE, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Normalise x (N, C, H, W)."""
        scale, shift = self.affine(style).chunk(2, 1)
        return adaptive_instance_norm(x, 1 + scale, shift)


class PlacedBlock(nn.Module):
    """conv-norm-ReLU-conv-norm, added to the input, with norms set by a style."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (
            nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3)) for _ in range(2)
        )
        self.norm1, self.norm2 = PlacedNorm(channels), PlacedNorm(channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        out: Tensor = self.norm1(self.first(x), style).relu()
        return x + self.norm2(self.second(out), style)  # type: ignore[no-any-return]


class PlacedUp(nn.Module):
    """A convolution at twice the sides, then a norm set by a style, and ReLU."""

    def __init__(self, cin: int, cout: int, antialias: bool) -> None:
        super().__init__()
        self.up: nn.Module
        if antialias:
            self.up = nn.Sequential(BlurUp(), nn.Conv2d(cin, cout, 3, padding=1))
        else:
            self.up = nn.ConvTranspose2d(cin, cout, 3, stride=2, padding=1, output_padding=1)
        self.norm = PlacedNorm(cout)

    def forward(self, x: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, cin, H, W) to what the convolution gives and to what leaves the layer, (N, cout, 2H, 2W) both."""
        convolved = self.up(x)
        return convolved, self.norm(convolved, style).relu()
