"""DRIT's networks: encoders of content and of attributes, generators, and a discriminator of contents.

"Own" layers exist once for each domain, all others are shared. Sizes are those of the authors' code.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from instar.core.batch import Domain
from instar.core.precision import full_precision
from instar.modules.by_domain import by_domain
from instar.modules.norms import InstanceNorm
from instar.modules.pad import ReflectPad
from instar.networks.munit import Block, StyleEncoder

Inject = Literal["concat", "features"]
SLOPE = 0.01
"""Of the discriminators' activations."""
INJECTED = 4
"""Blocks of the generator that take attributes, with `features`."""
ModuleT = TypeVar("ModuleT", bound=nn.Module)


class Attributes(NamedTuple):
    """What was read off images: attributes, or a distribution of them."""

    mean: Tensor
    """(N, S)."""
    logvar: Tensor | None
    """Logarithm (N, S) of the variance; None for attributes that are not drawn."""

    def draw(self) -> Tensor:
        """Return attributes (N, S) of the distribution."""
        if self.logvar is None:
            return self.mean
        return self.mean + torch.randn_like(self.mean) * (0.5 * self.logvar).exp()


class ContentEncoder(nn.Module):
    """What an image shows: (N, C, H, W) to (N, 4 width, H / 4, W / 4), in training with noise of deviation 1."""

    def __init__(self, channels: tuple[int, int], width: int = 64) -> None:
        super().__init__()

        def own(count: int) -> nn.Module:
            layers: list[nn.Module] = [*_conv(count, width, 7), nn.LeakyReLU(SLOPE, inplace=True)]
            for cin, cout in pairwise([width, 2 * width, 4 * width]):
                layers += [*_conv(cin, cout, 3, 2), InstanceNorm(), nn.ReLU(inplace=True)]
            return nn.Sequential(*layers, *(Block(4 * width) for _ in range(3)))

        self.own = by_domain(channels, own)
        self.shared = Block(4 * width)

    def forward(self, x: Tensor, domain: Domain) -> Tensor:
        """Read the contents of images of a domain."""
        content: Tensor = self.shared(self.own[domain](x))
        return content + torch.randn_like(content) if self.training else content


class AttributeEncoder(nn.Module):
    """How an image of a domain looks: a distribution of attributes (N, S), or with `features` attributes alone."""

    def __init__(self, channels: tuple[int, int], width: int = 64, style: int = 8, inject: Inject = "concat") -> None:
        super().__init__()
        if inject == "concat":
            self.own = by_domain(channels, lambda count: DistributionEncoder(count, width, style))
        else:
            self.own = by_domain(channels, lambda count: StyleEncoder(count, width, style))

    def forward(self, x: Tensor, domain: Domain) -> Attributes:
        """Read the attributes of images (N, C, H, W) of a domain, in float32 or better."""
        found = self.own[domain](x)
        return Attributes(*map(full_precision, found)) if isinstance(found, tuple) else Attributes(found, None)


class DistributionEncoder(nn.Module):
    """Residual blocks without a norm, which would take away what is to be read, and two heads."""

    def __init__(self, channels: int = 3, width: int = 64, style: int = 8) -> None:
        super().__init__()
        widths = [width * i for i in range(1, 5)]
        blocks = (HalvingBlock(cin, cout) for cin, cout in pairwise(widths))
        self.body = nn.Sequential(*_conv(channels, width, 4, 2), *blocks, nn.LeakyReLU(0.2))
        self.mean, self.logvar = nn.Linear(widths[-1], style), nn.Linear(widths[-1], style)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map images (N, C, H, W), H and W at least 16, to mean and log variance, (N, style) each."""
        features = self.body(x).mean((2, 3))
        return self.mean(features), self.logvar(features)


class HalvingBlock(nn.Module):
    """LeakyReLU-conv twice, then the sides are halved, in the shortcut too."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.LeakyReLU(0.2), *_conv(cin, cin, 3), nn.LeakyReLU(0.2), *_conv(cin, cout, 3), nn.AvgPool2d(2)
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(cin, cout, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, cin, H, W) to (N, cout, H // 2, W // 2)."""
        out: Tensor = self.body(x) + self.shortcut(x)
        return out


class Generator(nn.Module):
    """Draws contents by attributes of a domain."""

    def __init__(self, channels: tuple[int, int], width: int = 64, style: int = 8, inject: Inject = "concat") -> None:
        """Build both domains' generators.

        Args:
            channels: of the images of a and of b.
            width: a quarter of the contents' channels.
            style: numbers in an attribute.
            inject: concat, attributes beside the features before each stage; features, a perceptron's features of them
                in each of four residual blocks.
        """
        super().__init__()
        self.shared: nn.Module
        if inject == "concat":
            self.shared = Block(4 * width)
            self.own = by_domain(channels, lambda count: ConcatDecoder(count, width, style))
        else:
            self.shared = nn.Identity()
            self.own = by_domain(channels, lambda count: FeatureDecoder(count, width, style))

    def forward(self, content: Tensor, attributes: Tensor, domain: Domain) -> Tensor:
        """Draw contents (N, 4 width, h, w) by attributes (N, style): images (N, C, 4 h, 4 w) in [-1, 1]."""
        out: Tensor = self.own[domain](self.shared(content), attributes)
        return out


class ConcatDecoder(nn.Module):
    """Three residual blocks and two enlargements; attributes are further channels of what goes into each stage."""

    def __init__(self, channels: int, width: int, style: int) -> None:
        super().__init__()
        before = 4 * width + style
        self.blocks = nn.Sequential(*(Block(before) for _ in range(3)))
        first = (before + style) // 2
        second = (first + style) // 2
        self.up1, self.up2 = enlarge(before + style, first), enlarge(first + style, second)
        self.out = nn.Sequential(nn.Conv2d(second + style, channels, 1), nn.Tanh())

    def forward(self, x: Tensor, attributes: Tensor) -> Tensor:
        """Draw features by attributes."""
        for stage in (self.blocks, self.up1, self.up2, self.out):
            x = stage(beside(x, attributes))
        return x


class FeatureDecoder(nn.Module):
    """Four residual blocks that mix what a perceptron makes of the attributes with their features; two enlargements."""

    def __init__(self, channels: int, width: int, style: int) -> None:
        super().__init__()
        deep = 4 * width
        self.perceptron = nn.Sequential(
            nn.Linear(style, deep), _relu(), nn.Linear(deep, deep), _relu(), nn.Linear(deep, INJECTED * deep)
        )
        self.blocks = nn.ModuleList(MixingBlock(deep) for _ in range(INJECTED))
        self.out = nn.Sequential(
            enlarge(deep, 2 * width), enlarge(2 * width, width), nn.Conv2d(width, channels, 1), nn.Tanh()
        )

    def forward(self, x: Tensor, attributes: Tensor) -> Tensor:
        """Draw features by attributes."""
        for block, made in zip(self.blocks, self.perceptron(attributes).chunk(INJECTED, 1), strict=True):
            x = block(x, made)
        out: Tensor = self.out(x)
        return out


class MixingBlock(nn.Module):
    """A residual block of which each convolution is followed by a perceptron at every place, which is given more."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Sequential(*_conv(channels, channels, 3), InstanceNorm())
        self.second = nn.Sequential(*_conv(channels, channels, 3), InstanceNorm())
        self.mix1, self.mix2 = mixed(channels), mixed(channels)

    def forward(self, x: Tensor, made: Tensor) -> Tensor:
        """Map x (N, C, H, W) to the same shape; `made` (N, C) is given at every place."""
        inside = self.mix1(beside(self.first(x), made))
        out: Tensor = x + self.mix2(beside(self.second(inside), made))
        return out


class ContentDiscriminator(nn.Module):
    """Says of contents which domain they are from: raw outputs, high for b."""

    def __init__(self, channels: int = 256, layers: int = 3) -> None:
        """Build the network.

        Args:
            channels: of the contents.
            layers: halvings; 3 take the contents of 216 px to one number.
        """
        super().__init__()
        stages: list[nn.Module] = []
        for _ in range(layers):
            stages += [ReflectPad(1), nn.Conv2d(channels, channels, 7, 2), nn.LeakyReLU(SLOPE, inplace=True)]
        last = [nn.Conv2d(channels, channels, 4), nn.LeakyReLU(SLOPE, inplace=True), nn.Conv2d(channels, 1, 1)]
        self.body = nn.Sequential(*stages, *last)

    def forward(self, content: Tensor) -> Tensor:
        """Map (N, channels, h, w) to raw outputs (N, 1, h', w')."""
        out: Tensor = self.body(content)
        return out


def least_content(layers: int) -> int:
    """Return the least side of contents that a `ContentDiscriminator` of so many halvings takes."""
    side = 4
    for _ in range(layers):
        side = 2 * side + 3
    return side


def initial(net: ModuleT) -> ModuleT:
    """Draw the weights of convolutions from N(0, 0.02), leave all others as PyTorch makes them, and return `net`."""
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
    return net


def beside(x: Tensor, numbers: Tensor) -> Tensor:
    """Return x (N, C, H, W) with numbers (N, S) as further channels, alike at all places."""
    return torch.cat([x, numbers[:, :, None, None].expand(-1, -1, *x.shape[2:]).to(x.dtype)], 1)


def enlarge(cin: int, cout: int) -> nn.Module:
    """Return what doubles the sides: transposed convolution, layer norm, ReLU."""
    return nn.Sequential(nn.ConvTranspose2d(cin, cout, 3, 2, 1, 1), nn.GroupNorm(1, cout), _relu())


def mixed(channels: int) -> nn.Module:
    """Return a perceptron at every place, from twice as many channels."""
    both = 2 * channels
    return nn.Sequential(nn.Conv2d(both, both, 1), _relu(), nn.Conv2d(both, channels, 1), _relu())


def _conv(cin: int, cout: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    return [ReflectPad((kernel - 1) // 2), nn.Conv2d(cin, cout, kernel, stride)]


def _relu() -> nn.Module:
    return nn.ReLU(inplace=True)
