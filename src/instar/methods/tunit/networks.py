"""TUNIT's networks: a guiding network, a generator for all domains, a discriminator with a head for each domain."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from instar.core.precision import full_precision
from instar.modules.init import kaiming
from instar.modules.norms import InstanceNorm, adaptive_instance_norm
from instar.modules.pad import ReflectPad
from instar.modules.upconv import UpConv5

CONTENT = 16
"""Side of the content of an image of the size of the training."""
STAGES = ((1,), (2,), (4, 4), (8, 8), (8, 8))
"""Channels of VGG-11's convolutions, in widths; after each stage the sides are halved."""
WIDEST = 1024
"""Channels of the discriminator at most."""


class GuidingNetwork(nn.Module):
    """VGG-11 with batch norm, averaged over the image, and a linear head for the style."""

    def __init__(self, channels: int = 3, width: int = 64, style: int = 128) -> None:
        """Build the network.

        Args:
            channels: of the images.
            width: channels after the first convolution.
            style: numbers in a style.
        """
        super().__init__()
        layers: list[nn.Module] = []
        cin = channels
        for stage in STAGES:
            for times in stage:
                layers += [nn.Conv2d(cin, times * width, 3, padding=1), nn.BatchNorm2d(times * width)]
                layers += [nn.ReLU(inplace=True)]
                cin = times * width
            layers += [nn.MaxPool2d(2, ceil_mode=True)]  # where sides are even that is the plain one
        self.body = nn.Sequential(*layers)
        self.head = linear(cin, style)
        self.features = cin
        """Numbers of an image's features."""
        for module in self.body:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features (N, 8 width) and the styles (N, style) of images (N, C, H, W)."""
        features = self.body(x).mean((2, 3))
        return features, self.head(features)

    def forward(self, x: Tensor) -> Tensor:
        """Return the styles (N, style) of images (N, C, H, W)."""
        return self.encode(x)[1]


def linear(cin: int, cout: int, std: float = 0.01) -> nn.Linear:
    """Return a linear layer with weights from N(0, std²) and no bias at the start."""
    layer = nn.Linear(cin, cout)
    nn.init.normal_(layer.weight, 0.0, std)
    nn.init.zeros_(layer.bias)
    return layer


class Block(nn.Module):
    """The input and a tenth of conv-norm-ReLU-conv-norm of it, with instance norms or AdaIN."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv(channels, channels, 3, 1)
        self.second = _conv(channels, channels, 3, 1, _relu())
        self.norm = InstanceNorm()

    def forward(self, x: Tensor, adain_params: Tensor | None = None) -> Tensor:
        """Map x (N, C, H, W) to the same shape.

        Args:
            x: features.
            adain_params: (N, 4 C), AdaIN's: shifts and scales of the first norm, then of the second.
        """
        if adain_params is None:
            inside: Tensor = self.norm(self.second(self.norm(self.first(x))))
        else:
            first, second = adain_params.chunk(2, 1)
            inside = _adain(self.second(_adain(self.first(x), first)), second)
        return x + 0.1 * inside


class Generator(nn.Module):
    """Draws the content of one image in the style of another."""

    def __init__(
        self, channels: int = 3, width: int = 64, side: int = 128, *, style: int = 128, blocks: int = 2, mlp: int = 256
    ) -> None:
        """Build the networks.

        Args:
            channels: of the images, in and out.
            width: channels after the first convolution.
            side: of the images in training, a power of 2; their content is 16 x 16.
            style: numbers in a style.
            blocks: residual blocks of the encoder, and of the decoder.
            mlp: width of the perceptron from a style to AdaIN's parameters.
        """
        super().__init__()
        downs = int(math.log2(side / CONTENT))
        widths = [width * 2**i for i in range(downs + 1)]
        layers: list[nn.Module] = [_conv(channels, width, 7, 1), InstanceNorm()]
        for cin, cout in pairwise(widths):
            layers += [_conv(cin, cout, 4, 2, _relu()), InstanceNorm()]
        self.content = nn.Sequential(*layers, _relu(), *(Block(widths[-1]) for _ in range(blocks)))
        self.blocks = nn.ModuleList(Block(widths[-1]) for _ in range(blocks))
        self.ups = nn.ModuleList(UpConv5(cin, cout) for cin, cout in pairwise(reversed(widths)))
        self.out = nn.Sequential(ReflectPad(3), nn.Conv2d(width, channels, 7), nn.Tanh())
        self.adain_sizes = [4 * widths[-1]] * blocks + [2 * cout for cout in reversed(widths[:-1])]
        """AdaIN's parameters: of each block, and of each layer that doubles the sides."""
        self.mlp = nn.Sequential(
            nn.Linear(style, mlp), _relu(), nn.Linear(mlp, mlp), _relu(), nn.Linear(mlp, sum(self.adain_sizes))
        )
        self.size_divisor = 2**downs
        kaiming(self)

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        """Draw content (N, ...) in styles (N, style): images (N, C, H, W) in [-1, 1]."""
        adain_params = self.mlp(style).split(self.adain_sizes, 1)
        x = content
        for block, params in zip(self.blocks, adain_params, strict=False):
            x = block(x, params)
        for up, params in zip(self.ups, adain_params[len(self.blocks) :], strict=True):
            x = _adain(up(x), params).relu_()
        out: Tensor = self.out(x)
        return out

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Draw what images (N, C, H, W) show in styles (N, style)."""
        return self.decode(self.content(x), style)


class FilterResponseNorm(nn.Module):
    """Division by the root mean square of each channel of each image, then a learned floor (Singh, Krishnan 2020)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.floor = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (N, C, H, W); the result is in float32 or better."""
        x = full_precision(x)
        scale, shift, floor = (p[:, None, None] for p in (self.scale, self.shift, self.floor))
        factor = scale * torch.rsqrt(x.square().mean((2, 3), keepdim=True) + 1e-6)
        # The larger of a and b is relu(a - b) + b: on a CPU half the time of a maximum's gradients.
        return torch.addcmul(shift - floor, x, factor).relu_() + floor


class DiscriminatorBlock(nn.Module):
    """Two normed and activated convolutions beside a shortcut, over the root of 2; it may halve the sides."""

    def __init__(self, cin: int, cout: int, *, halve: bool) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2) if halve else nn.Identity()
        self.first = nn.Sequential(FilterResponseNorm(cin), nn.Conv2d(cin, cin, 3, padding=1))
        self.second = nn.Sequential(FilterResponseNorm(cin), nn.Conv2d(cin, cout, 3, padding=1))
        self.shortcut = nn.Conv2d(cin, cout, 1, bias=False) if cin != cout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H, W), or to half the sides."""
        # The shortcut's convolution of single pixels may as well come after the mean of four: a quarter of the work.
        out: Tensor = self.shortcut(self.pool(x)) + self.second(self.pool(self.first(x)))
        return out / math.sqrt(2)


class Discriminator(nn.Module):
    """Tells real from fake for each of several domains, with one trunk."""

    def __init__(self, channels: int = 3, width: int = 64, side: int = 128, domains: int = 10) -> None:
        """Build the network.

        Args:
            channels: of the images.
            width: channels after the first convolution, doubled with each halving up to 1024.
            side: of the images, a power of 2.
            domains: heads.
        """
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1)]
        for _ in range(int(math.log2(side)) - 2):
            wider = min(2 * width, WIDEST)
            layers += [DiscriminatorBlock(width, width, halve=False), DiscriminatorBlock(width, wider, halve=True)]
            width = wider
        layers += [nn.LeakyReLU(0.2), nn.Conv2d(width, width, 4), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers)
        self.heads = nn.Conv2d(width, domains, 1)
        kaiming(self)

    def forward(self, x: Tensor, domain: Tensor) -> Tensor:
        """Return the raw outputs (N,) of the heads of domains (N,) for images (N, C, side, side)."""
        outputs: Tensor = self.heads(self.body(x)).flatten(1)
        return outputs.gather(1, domain[:, None])[:, 0]


def _adain(x: Tensor, adain_params: Tensor) -> Tensor:
    """Apply AdaIN with shifts, then scales (N, 2 C)."""
    shift, scale = adain_params.chunk(2, 1)
    return adaptive_instance_norm(x, scale, shift)


def _conv(cin: int, cout: int, kernel: int, stride: int, act: nn.Module | None = None) -> nn.Sequential:
    """Return a convolution of `act` of its input, which comes after the padding: in place it then keeps one tensor."""
    return nn.Sequential(ReflectPad((kernel - 1) // 2), *([act] if act else []), nn.Conv2d(cin, cout, kernel, stride))


def _relu() -> nn.Module:
    return nn.ReLU(inplace=True)
