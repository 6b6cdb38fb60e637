"""UNSB's networks: those of CUT, told how far along the path an image is."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from itertools import pairwise

import torch
from torch import Tensor, nn

from instar.core.precision import full_precision
from instar.modules.init import xavier
from instar.modules.masked import Masked
from instar.modules.norms import InstanceNorm
from instar.modules.resample import BlurDown
from instar.modules.spectral import SpectralConv2d, spectral
from instar.modules.waves import waves
from instar.networks.patchgan import PatchNorm
from instar.networks.resnet import decoder_layers, encoder_layers, with_input

SLOPE = 0.2


class TimedGenerator(Masked):
    """CUT's generator, whose residual blocks know the place on the path and some noise.

    Layers of the encoder have names, in this order: pixels (the padded image), stem, down1, act1, down2, act2,
    block1, block2, ...
    """

    size_divisor = 4
    """Sides that are multiples of this come out as they went in."""

    def __init__(
        self, channels: int = 3, width: int = 64, blocks: int = 9, *, antialias: bool = True, skip: bool = False
    ) -> None:
        """Build the generator with its initial weights.

        Args:
            channels: of the images.
            width: channels after the first convolution; even.
            blocks: residual blocks.
            antialias: blur before downsampling and interpolate before convolving, instead of strided convolutions.
            skip: add the input before the tanh.
        """
        super().__init__()
        self.width, self.skip = width, skip
        deep = self.noise_dim = 4 * width
        layers = encoder_layers(channels, width, 0, antialias)
        self.encoder = nn.Sequential(OrderedDict((name, layer) for name, layer, _ in layers))
        self.blocks = nn.ModuleDict({f"block{i + 1}": TimedBlock(deep) for i in range(blocks)})
        self.decoder = nn.Sequential(*decoder_layers(channels, width, antialias))
        self.noise = nn.Sequential(*_perceptron([deep] * 5))
        self.time = nn.Sequential(*_perceptron([width, deep, deep]))
        self.channels = {name: count for name, _, count in layers} | dict.fromkeys(self.blocks, deep)
        """Channels of each layer's output, by name."""
        xavier(self)

    def forward(self, x: Tensor, number: Tensor, z: Tensor) -> Tensor:
        """Map images (N, C, H, W) at places with numbers (N,) to the end of their path; z is noise (N, noise_dim)."""
        features, told = self.encoder(x), self._told(x, number, z)
        for block in self.blocks.values():
            features = block(features, *told)
        raw = self.decoder(features)
        return self.limit(with_input(raw, x) if self.skip else torch.tanh(raw), x)

    def encode(self, x: Tensor, number: Tensor, z: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """Return features by name, computing no further than the last of `layers`."""
        found: dict[str, Tensor] = {}
        told = self._told(x, number, z)
        for name, layer in (*self.encoder.named_children(), *self.blocks.items()):
            x = layer(x, *told) if isinstance(layer, TimedBlock) else layer(x)
            if name in layers:
                found[name] = x
            if len(found) == len(layers):
                break
        return found

    def _told(self, x: Tensor, number: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the blocks are told of places and of noise, (N, noise_dim) each."""
        z = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        return self.time(waves(number, self.width).to(x.dtype)), self.noise(z)


class TimedBlock(nn.Module):
    """conv-norm-ReLU-conv-norm, added to the input; noise scales and shifts between, and the place shifts."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (
            nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), InstanceNorm()) for _ in range(2)
        )
        self.of_time = nn.Linear(channels, channels)
        self.of_noise = nn.Linear(channels, 2 * channels)

    def forward(self, x: Tensor, time: Tensor, noise: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        scale, shift = self.of_noise(noise)[:, :, None, None].chunk(2, 1)
        shift = shift + self.of_time(time)[:, :, None, None]
        out: Tensor = torch.addcmul(shift, self.first(x), 1 + scale).relu()
        return x + self.second(out)  # type: ignore[no-any-return]


class TimedPatchGAN(nn.Module):
    """The patch discriminator of CUT, which is told the place on the path after each convolution."""

    def __init__(
        self,
        channels: int = 3,
        width: int = 64,
        layers: int = 3,
        *,
        norm: PatchNorm = "instance",
        antialias: bool = True,
    ) -> None:
        """Build the discriminator with its initial weights; parameters are as of `PatchGAN`, width even."""
        super().__init__()
        told = 4 * width
        self.told = told
        self.time = nn.Sequential(*_perceptron([told, told, told]))
        widths = [channels, *(width * min(2**i, 8) for i in range(layers + 1))]
        self.stages = nn.ModuleList(
            TimedStage(
                widths[i],
                widths[i + 1],
                told,
                norm="none" if i == 0 and norm == "instance" else norm,
                halve=i < layers,
                antialias=antialias,
            )
            for i in range(layers + 1)
        )
        self.last = _conv(norm, widths[-1], 1, 1)
        xavier(self)

    def forward(self, x: Tensor, number: Tensor) -> Tensor:
        """Map (N, C, H, W) at places with numbers (N,) to raw outputs (N, 1, H', W')."""
        time = self.time(waves(number, self.told).to(x.dtype))
        for stage in self.stages:
            x = stage(x, time)
        return full_precision(self.last(x))


class TimedStage(nn.Module):
    """A convolution, to which the place is added, a norm, LeakyReLU, and half the sides."""

    def __init__(self, cin: int, cout: int, told: int, *, norm: str, halve: bool, antialias: bool) -> None:
        super().__init__()
        self.conv = _conv(norm, cin, cout, 2 if halve and not antialias else 1)
        self.of_time = nn.Linear(told, cout)
        self.norm = InstanceNorm() if norm == "instance" else nn.Identity()
        self.down = BlurDown() if halve and antialias else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Map (N, cin, H, W) to (N, cout, H', W') for what is known of places, (N, told)."""
        out = self.norm(self.conv(x) + self.of_time(time)[:, :, None, None])
        found: Tensor = self.down(nn.functional.leaky_relu(out, SLOPE))
        return found


def _conv(norm: str, cin: int, cout: int, stride: int) -> nn.Conv2d:
    if norm == "spectral":
        return spectral(SpectralConv2d(cin, cout, 4, stride, 1))
    return nn.Conv2d(cin, cout, 4, stride, 1)


def _perceptron(sizes: list[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for cin, cout in pairwise(sizes):
        layers += [nn.Linear(cin, cout), nn.LeakyReLU(SLOPE)]
    return layers
