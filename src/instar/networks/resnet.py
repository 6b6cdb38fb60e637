"""The residual generator of Johnson et al. (2016) as CycleGAN and CUT use it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

import torch
from torch import Tensor, nn

from instar.modules.masked import Masked
from instar.modules.norms import InstanceNorm
from instar.modules.resample import BlurDown, BlurUp

REACH = 0.9
"""With a skip, brighter and darker pixels count as this: beyond it tanh is so flat that they would hardly change."""


class ResnetGenerator(Masked):
    """Two downsamplings, residual blocks, two upsamplings, tanh. Instance norm, biases on, reflect padding.

    Layers of the encoder have names, in this order: pixels (the padded image), stem, down1, act1, down2, act2,
    block1, block2, ... `down1` and `down2` are the convolutions before their norm: the layers that CUT compares.
    """

    size_divisor = 4
    """Sides that are multiples of this come out as they went in."""

    def __init__(
        self,
        channels: int = 3,
        width: int = 64,
        blocks: int = 9,
        *,
        out: int | None = None,
        antialias: bool = False,
        skip: bool = False,
    ) -> None:
        """Build the generator.

        Args:
            channels: of the images that go in.
            width: channels after the first convolution.
            blocks: residual blocks at a quarter of the resolution: 9 for 256 px and more, 6 for 128 px.
            out: channels of the images that come out; the same if None.
            antialias: blur before downsampling and interpolate before convolving, instead of strided convolutions.
            skip: add the input before the tanh, so that the network need only learn what to change.
        """
        super().__init__()
        self.skip = skip
        layers = encoder_layers(channels, width, blocks, antialias)
        self.encoder = nn.Sequential(OrderedDict((name, layer) for name, layer, _ in layers))
        self.decoder = nn.Sequential(*decoder_layers(channels if out is None else out, width, antialias))
        self.channels = {name: count for name, _, count in layers}
        """Channels of each encoder layer's output, by name."""

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) in [-1, 1] to images of the same shape and range; H and W multiples of 4."""
        return self._finish(self.encoder(x), x)

    def trace(self, x: Tensor, layers: Collection[str]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the output and, by name, the encoder's features on the way."""
        deepest, features = self._encode(x, layers, to_end=True)
        return self._finish(deepest, x), features

    def encode(self, x: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """Return encoder features by name, computing no further than the last of `layers`."""
        return self._encode(x, layers, to_end=False)[1]

    def _finish(self, deepest: Tensor, x: Tensor) -> Tensor:
        raw = self.decoder(deepest)
        return self.limit(with_input(raw, x) if self.skip else torch.tanh(raw), x)

    def _encode(self, x: Tensor, layers: Collection[str], *, to_end: bool) -> tuple[Tensor, dict[str, Tensor]]:
        missing = set(layers) - set(self.channels)
        if missing:
            raise ValueError(f"no encoder layer named {sorted(missing)}; there is: {', '.join(self.channels)}")
        features: dict[str, Tensor] = {}
        for name, layer in self.encoder.named_children():
            x = layer(x)
            if name in layers:
                features[name] = x
            if not to_end and len(features) == len(layers):
                break
        return x, features


class ResidualBlock(nn.Module):
    """conv-norm-ReLU-conv-norm, added to the input; no activation after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            InstanceNorm(),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            InstanceNorm(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        out: Tensor = x + self.body(x)
        return out


def encoder_layers(channels: int, width: int, blocks: int, antialias: bool) -> list[tuple[str, nn.Module, int]]:
    """Return the layers from images (N, channels, H, W) to (N, 4 * width, H / 4, W / 4): names, modules, channels."""
    deep = 4 * width
    return [
        ("pixels", nn.ReflectionPad2d(3), channels),
        ("stem", _normed(nn.Conv2d(channels, width, 7)), width),
        ("down1", _down(width, 2 * width, antialias), 2 * width),
        ("act1", _finish_down(antialias), 2 * width),
        ("down2", _down(2 * width, deep, antialias), deep),
        ("act2", _finish_down(antialias), deep),
        *((f"block{i + 1}", ResidualBlock(deep), deep) for i in range(blocks)),
    ]


def decoder_layers(channels: int, width: int, antialias: bool) -> list[nn.Module]:
    """Return the layers from (N, 4 * width, H / 4, W / 4) to images (N, channels, H, W) before the tanh."""
    deep = 4 * width
    return [
        _up(deep, 2 * width, antialias),
        _up(2 * width, width, antialias),
        nn.ReflectionPad2d(3),
        nn.Conv2d(width, channels, 7),
    ]


def with_input(raw: Tensor, x: Tensor) -> Tensor:
    """Return tanh of what a network makes of images x (N, C, H, W) in [-1, 1], added to them before the tanh."""
    return torch.tanh(raw + x.clamp(-REACH, REACH).atanh())


def _normed(conv: nn.Module) -> nn.Sequential:
    return nn.Sequential(conv, InstanceNorm(), nn.ReLU(inplace=True))


def _down(cin: int, cout: int, antialias: bool) -> nn.Conv2d:
    return nn.Conv2d(cin, cout, 3, stride=1 if antialias else 2, padding=1)


def _finish_down(antialias: bool) -> nn.Sequential:
    blur = [BlurDown()] if antialias else []
    return nn.Sequential(InstanceNorm(), nn.ReLU(inplace=True), *blur)


def _up(cin: int, cout: int, antialias: bool) -> nn.Sequential:
    if antialias:
        return nn.Sequential(BlurUp(), *_normed(nn.Conv2d(cin, cout, 3, padding=1)))
    return _normed(nn.ConvTranspose2d(cin, cout, 3, stride=2, padding=1, output_padding=1))
