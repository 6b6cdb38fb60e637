"""MUNIT's networks: encoders of content and style, a decoder that draws content in a style, discriminators.

Convolutions have reflect padding and biases. Sizes are those of the authors' code.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.modules.norms import InstanceNorm, LayerNorm, adaptive_instance_norm
from instar.modules.pad import ReflectPad
from instar.modules.upconv import UpConv5


class ContentEncoder(nn.Sequential):
    """What an image shows: (N, C, H, W) to (N, 4 width, H / 4, W / 4). Instance norm takes the style away."""

    def __init__(self, channels: int = 3, width: int = 64, downs: int = 2, blocks: int = 4) -> None:
        """Build the encoder.

        Args:
            channels: of the images.
            width: channels after the first convolution, doubled with each halving.
            downs: halvings of the sides.
            blocks: residual blocks after them.
        """
        widths = [width * 2**i for i in range(downs + 1)]
        layers = [*_conv(channels, width, 7, 1), InstanceNorm()]
        for cin, cout in pairwise(widths):
            layers += [*_conv(cin, cout, 4, 2, _relu()), InstanceNorm()]
        super().__init__(*layers, _relu(), *(Block(widths[-1]) for _ in range(blocks)))


class StyleEncoder(nn.Module):
    """How an image looks: (N, C, H, W) to (N, style). No norm, which would take away what is to be read."""

    def __init__(self, channels: int = 3, width: int = 64, style: int = 8) -> None:
        super().__init__()
        layers = _conv(channels, width, 7, 1)
        for cin, cout in pairwise([width, 2 * width, 4 * width, 4 * width, 4 * width]):
            layers += _conv(cin, cout, 4, 2, _relu())
        self.body = nn.Sequential(*layers, _relu())
        self.head = nn.Linear(4 * width, style)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W), H and W at least 16, to (N, style)."""
        out: Tensor = self.head(self.body(x).mean((2, 3)))
        return out


class Block(nn.Module):
    """conv-norm-ReLU-conv-norm, added to the input; no activation after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Sequential(*_conv(channels, channels, 3, 1))
        self.second = nn.Sequential(*_conv(channels, channels, 3, 1, _relu()))
        self.norm = InstanceNorm()

    def forward(self, x: Tensor, adain_params: Tensor | None = None) -> Tensor:
        """Map x (N, C, H, W) to the same shape.

        Args:
            x: features.
            adain_params: (N, 4 C), shifts and scales of the first norm, then of the second. Without them the norms are
                instance norms.
        """
        if adain_params is None:
            inside: Tensor = self.norm(self.second(self.norm(self.first(x))))
            return x + inside
        shift, scale, shift2, scale2 = adain_params.chunk(4, 1)
        inside = adaptive_instance_norm(self.first(x), scale, shift)
        return x + adaptive_instance_norm(self.second(inside), scale2, shift2)


class AdaINDecoder(nn.Module):
    """Draws content in a style, which is given as shifts and scales of the residual blocks' norms."""

    def __init__(self, channels: int = 3, width: int = 64, downs: int = 2, blocks: int = 4) -> None:
        super().__init__()
        deep = width * 2**downs
        self.blocks = nn.ModuleList(Block(deep) for _ in range(blocks))
        self.out = upsampling(channels, width, downs)
        self.adain_size = 4 * blocks * deep
        """Length of the vector of shifts and scales."""

    def forward(self, content: Tensor, adain_params: Tensor) -> Tensor:
        """Map content (N, 4 width, H / 4, W / 4) and AdaIN's parameters (N, `self.adain_size`) to images in [-1, 1]."""
        x = content
        for block, params in zip(self.blocks, adain_params.chunk(len(self.blocks), 1), strict=True):
            x = block(x, params)
        out: Tensor = self.out(x)
        return out


class MunitGenerator(nn.Module):
    """One domain's content encoder, style encoder and decoder, and the perceptron from a style to AdaIN's inputs."""

    def __init__(
        self, channels: int = 3, width: int = 64, downs: int = 2, blocks: int = 4, *, style: int = 8, mlp: int = 256
    ) -> None:
        """Build the networks of a domain.

        Args:
            channels: of the images, in and out.
            width: channels after the first convolution.
            downs: halvings of the sides down to the content.
            blocks: residual blocks of the content encoder, and of the decoder.
            style: numbers in a style.
            mlp: width of the perceptron.
        """
        super().__init__()
        self.size_divisor = 2**downs
        self.content = ContentEncoder(channels, width, downs, blocks)
        self.style = StyleEncoder(channels, width, style)
        self.decoder = AdaINDecoder(channels, width, downs, blocks)
        self.mlp = nn.Sequential(
            nn.Linear(style, mlp), _relu(), nn.Linear(mlp, mlp), _relu(), nn.Linear(mlp, self.decoder.adain_size)
        )

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        """Draw content (N, 4 width, H / 4, W / 4) in styles (N, style): images (N, C, H, W) in [-1, 1]."""
        out: Tensor = self.decoder(content, self.mlp(style))
        return out


class MultiScalePatchGAN(nn.Module):
    """The same discriminator for the image at 1, 1/2, 1/4, ... of its size, each with its own weights.

    Four 4x4 convolutions that halve, LeakyReLU, no norm, raw outputs. They see patches of 46 px of their image.
    """

    def __init__(self, channels: int = 3, width: int = 64, scales: int = 3, slope: float = 0.2) -> None:
        """Build the discriminators.

        Args:
            channels: of the images.
            width: channels after the first convolution, doubled with each halving.
            scales: number of sizes of an image.
            slope: of the activations for negative inputs.
        """
        super().__init__()
        self.nets = nn.ModuleList(_patches(channels, width, slope) for _ in range(scales))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map (N, C, H, W) to one map of raw outputs for each scale: 256 px gives 16 x 16, 8 x 8 and 4 x 4."""
        maps = []
        for i, net in enumerate(self.nets):
            x = nnf.avg_pool2d(x, 3, 2, 1, count_include_pad=False) if i else x
            maps.append(net(x))
        return maps


def least_side(scales: int) -> int:
    """Return the least side of an image that `MultiScalePatchGAN` takes: at its last scale it must have 16 px."""
    return (15 << (scales - 1)) + 1  # each halving rounds up; below 16 px the last convolution has nothing to mirror


def upsampling(channels: int, width: int, downs: int) -> nn.Sequential:
    """Return the end of a decoder: from width * 2**downs features to images in [-1, 1], each side times 2**downs."""
    layers: list[nn.Module] = []
    for cin, cout in pairwise([width * 2**i for i in reversed(range(downs + 1))]):
        layers += [*([_relu()] if layers else []), UpConv5(cin, cout), LayerNorm(cout)]
    return nn.Sequential(*layers, *_conv(width, channels, 7, 1, _relu() if layers else None), nn.Tanh())


def _patches(channels: int, width: int, slope: float) -> nn.Sequential:
    layers = _conv(channels, width, 4, 2)
    for cin, cout in pairwise([width, 2 * width, 4 * width, 8 * width]):
        layers += _conv(cin, cout, 4, 2, _leaky(slope))
    return nn.Sequential(*layers, _leaky(slope), nn.Conv2d(8 * width, 1, 1))


def _conv(cin: int, cout: int, kernel: int, stride: int, act: nn.Module | None = None) -> list[nn.Module]:
    """Return a convolution of `act` of its input.

    The activation comes after the padding: the same numbers, and in place it leaves one tensor to keep instead of two.
    """
    pad = ReflectPad((kernel - 1) // 2)
    return [pad, *([act] if act else []), nn.Conv2d(cin, cout, kernel, stride)]


def _relu() -> nn.Module:
    return nn.ReLU(inplace=True)


def _leaky(slope: float) -> nn.Module:
    return nn.LeakyReLU(slope, inplace=True)
