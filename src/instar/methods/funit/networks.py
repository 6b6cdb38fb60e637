"""FUNIT's networks: MUNIT's encoders and blocks for all classes at once, a discriminator with a map for each class."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from instar.modules.init import kaiming
from instar.modules.norms import InstanceNorm
from instar.modules.pad import ReflectPad
from instar.modules.upconv import UpConv5
from instar.networks.munit import Block, ContentEncoder, StyleEncoder

SLOPE = 0.2
WIDEST = 16
"""Channels of the discriminator at most, in widths."""
HALVINGS = 4
"""Of the discriminator."""


class Generator(nn.Module):
    """Draws what one image shows as one of the class that another image is of."""

    def __init__(
        self, channels: int = 3, width: int = 64, *, downs: int = 3, blocks: int = 2, style: int = 64, mlp: int = 256
    ) -> None:
        """Build the networks with their initial weights.

        Args:
            channels: of the images, in and out.
            width: channels after the first convolution.
            downs: halvings of the sides down to the content.
            blocks: residual blocks of the content encoder, and of the decoder.
            style: numbers in a class code.
            mlp: width of the perceptron from a code to AdaIN's parameters.
        """
        super().__init__()
        deep = width * 2**downs
        self.content = ContentEncoder(channels, width, downs, blocks)
        self.style = StyleEncoder(channels, width, style)
        self.mlp = nn.Sequential(
            nn.Linear(style, mlp), _relu(), nn.Linear(mlp, mlp), _relu(), nn.Linear(mlp, 4 * blocks * deep)
        )
        self.blocks = nn.ModuleList(Block(deep) for _ in range(blocks))
        layers: list[nn.Module] = []
        for cin, cout in pairwise([width * 2**i for i in reversed(range(downs + 1))]):
            layers += [UpConv5(cin, cout), InstanceNorm(), _relu()]
        self.out = nn.Sequential(*layers, ReflectPad(3), nn.Conv2d(width, channels, 7), nn.Tanh())
        self.size_divisor = 2**downs
        kaiming(self)

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        """Draw content (N, ...) by class codes (N, style): images (N, C, H, W) in [-1, 1]."""
        x = content
        for block, params in zip(self.blocks, self.mlp(style).chunk(len(self.blocks), 1), strict=True):
            x = block(x, params)
        out: Tensor = self.out(x)
        return out

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Draw what images (N, C, H, W) show by class codes (N, style)."""
        return self.decode(self.content(x), style)


class DiscriminatorBlock(nn.Module):
    """Two convolutions of activated features beside a shortcut."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.first, self.second = _conv(cin, cin, 3), _conv(cin, cout, 3)
        self.shortcut = nn.Conv2d(cin, cout, 1, bias=False) if cin != cout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, cin, H, W) to (N, cout, H, W)."""
        out: Tensor = self.shortcut(x) + self.second(_act(self.first(_act(x))))
        return out


class Discriminator(nn.Module):
    """Tells real from fake for each of several classes, at each place."""

    def __init__(self, channels: int = 3, width: int = 64, classes: int = 119) -> None:
        """Build the network with its initial weights.

        Args:
            channels: of the images.
            width: channels after the first convolution, doubled with each halving up to 16 times as many.
            classes: maps.
        """
        super().__init__()
        widths = [width * min(2**i, WIDEST) for i in range(HALVINGS + 2)]
        layers: list[nn.Module] = [_conv(channels, width, 7)]
        for i, (cin, cout) in enumerate(pairwise(widths)):
            layers += [DiscriminatorBlock(cin, cin), DiscriminatorBlock(cin, cout)]
            if i < HALVINGS:
                layers += [ReflectPad(1), nn.AvgPool2d(3, 2)]
        self.body = nn.Sequential(*layers)
        self.heads = nn.Conv2d(widths[-1], classes, 1)
        kaiming(self, SLOPE)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return for images (N, C, H, W) the maps (N, H', W') of classes (N,), and the mean features (N, F)."""
        features = self.body(x)
        maps = self.heads(_act(features))
        places = y[:, None, None, None].expand(-1, 1, *maps.shape[2:])
        return maps.gather(1, places)[:, 0], features.mean((2, 3))


def _act(x: Tensor) -> Tensor:
    return nn.functional.leaky_relu(x, SLOPE)


def _conv(cin: int, cout: int, side: int) -> nn.Sequential:
    return nn.Sequential(ReflectPad(side // 2), nn.Conv2d(cin, cout, side))


def _relu() -> nn.Module:
    return nn.ReLU(inplace=True)
