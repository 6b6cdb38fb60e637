"""The four networks of StarGAN v2 (tables 5 to 8 of the paper's appendix)."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.precision import full_precision
from instar.modules.init import kaiming
from instar.modules.norms import adaptive_instance_norm

SLOPE = 0.2
"""Of activations for negative inputs."""
BOTTLENECK = 16
"""Side of the smallest features of the generator, for images of the training's size."""
LAST = 4
"""Side of the smallest features of the other networks."""


class ResidualBlock(nn.Module):
    """Two activated convolutions beside a shortcut, over the root of 2; it may normalise, and halve the sides."""

    def __init__(self, cin: int, cout: int, *, normalise: bool = False, halve: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(cin, cin, 3, padding=1)
        self.second = nn.Conv2d(cin, cout, 3, padding=1)
        self.norms = nn.ModuleList(_norm(cin) if normalise else nn.Identity() for _ in range(2))
        self.shortcut = _shortcut(cin, cout)
        self.pool = nn.AvgPool2d(2) if halve else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H, W), or to half the sides."""
        before, between = self.norms
        inside = self.pool(self.first(nnf.leaky_relu(before(x), SLOPE)))
        inside = self.second(nnf.leaky_relu(between(inside), SLOPE))
        # The shortcut's convolution of single pixels may as well come after the mean of four: a quarter of the work.
        out: Tensor = (self.shortcut(self.pool(x)) + inside) / math.sqrt(2)
        return out


class AdaIN(nn.Module):
    """An instance norm whose scales and shifts are a linear function of a style; scales are given beside 1."""

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.affine = nn.Linear(style, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Normalise x (N, C, H, W) by styles (N, S)."""
        scale, shift = self.affine(style).chunk(2, 1)
        return adaptive_instance_norm(x, 1 + scale, shift)


class AdaINBlock(nn.Module):
    """A residual block with AdaIN, which may double the sides."""

    def __init__(self, cin: int, cout: int, style: int, *, double: bool = False) -> None:
        super().__init__()
        self.doubles = double
        self.first = nn.Conv2d(cin, cout, 3, padding=1)
        self.second = nn.Conv2d(cout, cout, 3, padding=1)
        self.norms = nn.ModuleList(AdaIN(channels, style) for channels in (cin, cout))
        self.shortcut = _shortcut(cin, cout)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Map (N, C, H, W) in styles (N, S) to (N, C', H, W), or to twice the sides."""
        before, between = self.norms
        inside = self.first(self._enlarged(nnf.leaky_relu(before(x, style), SLOPE)))
        inside = self.second(nnf.leaky_relu(between(inside, style), SLOPE))
        out: Tensor = (self._enlarged(self.shortcut(x)) + inside) / math.sqrt(2)
        return out

    def _enlarged(self, x: Tensor) -> Tensor:
        return nnf.interpolate(x, scale_factor=2.0, mode="nearest") if self.doubles else x


class Generator(nn.Module):
    """Draws an image in a style: instance norms on the way in, AdaIN on the way out."""

    def __init__(self, channels: int, width: int, side: int, *, widest: int, style: int, blocks: int = 2) -> None:
        """Build the network.

        Args:
            channels: of the images, in and out.
            width: channels after the first convolution, doubled with each halving.
            side: of the images in training, a power of 2.
            widest: most channels.
            style: numbers in a style.
            blocks: of the bottleneck, on each side.
        """
        super().__init__()
        widths = _widths(width, widest, int(math.log2(side // BOTTLENECK)))
        deepest = widths[-1]
        self.encode = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            *(ResidualBlock(cin, cout, normalise=True, halve=True) for cin, cout in pairwise(widths)),
            *(ResidualBlock(deepest, deepest, normalise=True) for _ in range(blocks)),
        )
        self.decode = nn.ModuleList(
            [
                *(AdaINBlock(deepest, deepest, style) for _ in range(blocks)),
                *(AdaINBlock(cin, cout, style, double=True) for cin, cout in pairwise(reversed(widths))),
            ]
        )
        self.draw = nn.Sequential(_norm(width), nn.LeakyReLU(SLOPE), nn.Conv2d(width, channels, 1))
        self.size_divisor = 2 ** (len(widths) - 1)
        kaiming(self)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Draw images (N, C, H, W) in styles (N, S); nothing keeps the result in [-1, 1]."""
        features = self.encode(x)
        for block in self.decode:
            features = block(features, style)
        return full_precision(self.draw(features))


class MappingNetwork(nn.Module):
    """Makes styles of noise: layers for all domains, then some for each."""

    def __init__(self, latent: int, style: int, domains: int, *, hidden: int, depth: int = 4) -> None:
        """Build the network.

        Args:
            latent: numbers of noise.
            style: numbers in a style.
            domains: their number.
            hidden: width of the layers.
            depth: layers for all domains, and layers for each.
        """
        super().__init__()
        self.shared = _perceptron([latent, *[hidden] * depth], last=True)
        self.heads = nn.ModuleList(_perceptron([*[hidden] * depth, style]) for _ in range(domains))
        kaiming(self)

    def forward(self, z: Tensor, domain: Tensor) -> Tensor:
        """Return styles (N, S) of domains (N,) for noise (N, Z)."""
        return _of_domain(self.heads, self.shared(z), domain)


class StyleEncoder(nn.Module):
    """Reads styles off images: convolutions for all domains, then a linear layer for each."""

    def __init__(self, channels: int, width: int, side: int, *, widest: int, style: int, domains: int) -> None:
        """Build the network; parameters are as of `Generator` and `MappingNetwork`."""
        super().__init__()
        self.side = side
        self.shared, features = _trunk(channels, width, side, widest)
        self.heads = nn.ModuleList(nn.Linear(features, style) for _ in range(domains))
        kaiming(self)

    def forward(self, x: Tensor, domain: Tensor) -> Tensor:
        """Return the styles (N, S) of images (N, C, side, side) of domains (N,)."""
        return _of_domain(self.heads, self.shared(x).flatten(1), domain)


class Discriminator(nn.Module):
    """Tells real from fake for each of several domains, with one trunk."""

    def __init__(self, channels: int, width: int, side: int, *, widest: int, domains: int) -> None:
        """Build the network; parameters are as of `Generator` and `MappingNetwork`."""
        super().__init__()
        self.shared, features = _trunk(channels, width, side, widest)
        self.heads = nn.Conv2d(features, domains, 1)
        kaiming(self)

    def forward(self, x: Tensor, domain: Tensor) -> Tensor:
        """Return the raw outputs (N,) of the heads of domains (N,) for images (N, C, side, side)."""
        outputs: Tensor = self.heads(self.shared(x)).flatten(1)
        return outputs.gather(1, domain[:, None])[:, 0]


def _trunk(channels: int, width: int, side: int, widest: int) -> tuple[nn.Sequential, int]:
    """Return what makes one place of an image (N, C, side, side), and how many features that has."""
    widths = _widths(width, widest, int(math.log2(side // LAST)))
    features = widths[-1]
    trunk = nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        *(ResidualBlock(cin, cout, halve=True) for cin, cout in pairwise(widths)),
        nn.LeakyReLU(SLOPE),
        nn.Conv2d(features, features, LAST),
        nn.LeakyReLU(SLOPE),
    )
    return trunk, features


def _widths(width: int, widest: int, halvings: int) -> list[int]:
    return [width, *(max(width, min(width * 2**i, widest)) for i in range(1, halvings + 1))]


def _of_domain(heads: nn.ModuleList, features: Tensor, domain: Tensor) -> Tensor:
    """Return what the heads of domains (N,) make of features (N, F), (N, S)."""
    found = torch.stack([head(features) for head in heads], 1)
    places = domain[:, None, None].expand(-1, 1, found.shape[2])
    return full_precision(found.gather(1, places)[:, 0])


def _perceptron(sizes: list[int], *, last: bool = False) -> nn.Sequential:
    """Return linear layers with activations between them, and after the last one."""
    layers: list[nn.Module] = []
    for cin, cout in pairwise(sizes):
        layers += [nn.Linear(cin, cout), nn.ReLU()]
    return nn.Sequential(*layers[: None if last else -1])


def _norm(channels: int) -> nn.Module:
    return nn.GroupNorm(channels, channels)  # an instance norm with a learned scale and shift; faster on CPUs


def _shortcut(cin: int, cout: int) -> nn.Module:
    return nn.Conv2d(cin, cout, 1, bias=False) if cin != cout else nn.Identity()
