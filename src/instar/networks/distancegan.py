"""The networks of DistanceGAN: CycleGAN's, DiscoGAN's for 64 px (Kim et al. 2017), and small ones for digits at 32 px.

DiscoGAN's and those for digits have no biases and no skips.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from instar.modules.init import normal
from instar.modules.norms import BatchNorm
from instar.networks.patchgan import PatchGAN, PatchNorm
from instar.networks.resnet import ResnetGenerator

Net = Literal["resnet", "discogan", "digits"]


def generator(
    net: Net,
    channels: int = 3,
    width: int = 64,
    blocks: int = 9,
    layers: int = 4,
    *,
    antialias: bool = False,
    skip: bool = False,
) -> ResnetGenerator | DiscoGenerator | DigitsGenerator:
    """Build a generator with its initial weights: N(0, 0.02) for the ResNet, PyTorch's own for the others.

    Args:
        net: which one.
        channels: of the images, in and out.
        width: channels after the first convolution.
        blocks: residual blocks of the ResNet.
        layers: convolutions of DiscoGAN's encoder.
        antialias: blurred down- and upsampling in the ResNet.
        skip: add the input before the ResNet's tanh.
    """
    if net == "discogan":
        return DiscoGenerator(channels, width, layers)
    if net == "digits":
        return DigitsGenerator(channels, width)
    return normal(ResnetGenerator(channels, width, blocks, antialias=antialias, skip=skip))


def discriminator(
    net: Net, channels: int = 3, width: int = 64, *, norm: PatchNorm = "instance", antialias: bool = False
) -> PatchGAN | DiscoDiscriminator | DigitsDiscriminator:
    """Build the discriminator that goes with `generator` of the same arguments; `norm` is PatchGAN's."""
    if net == "discogan":
        return DiscoDiscriminator(channels, width)
    if net == "digits":
        return DigitsDiscriminator(channels, width)
    return normal(PatchGAN(channels, width, norm=norm, antialias=antialias))


class DiscoGenerator(nn.Module):
    """4x4 convolutions that halve the sides, as many transposed ones that double them; batch norm, sigmoid.

    With 5 layers the last convolution of the encoder has no padding and 100 channels: of 64 px it leaves one place.
    """

    def __init__(self, channels: int = 3, width: int = 64, layers: int = 4) -> None:
        """Build the generator.

        Args:
            channels: of the images, in and out.
            width: channels after the first convolution; twice as many after each of the next three.
            layers: convolutions of the encoder, 3 to 5.
        """
        super().__init__()
        self.size_divisor = 64 if layers == 5 else 2**layers
        """Sides that are multiples of this come out as they went in."""
        widths = [width * 2**i for i in range(min(layers, 4))]
        body = [Affine(0.5, 0.5), *_first(channels, width, 0.2)]
        for cin, cout in pairwise(widths):
            body += _down(cin, cout, 0.2)
        if layers == 5:
            deep = widths[-1]
            # Over a single place the statistics of one image would erase it, so this norm keeps running averages.
            body += [nn.Conv2d(deep, 100, 4, bias=False), nn.BatchNorm2d(100), nn.LeakyReLU(0.2, inplace=True)]
            body += [nn.ConvTranspose2d(100, deep, 4, bias=False), BatchNorm(deep), nn.ReLU(inplace=True)]
        for cin, cout in pairwise(widths[::-1]):
            body += [nn.ConvTranspose2d(cin, cout, 4, 2, 1, bias=False), BatchNorm(cout), nn.ReLU(inplace=True)]
        last = nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False)
        self.body = nn.Sequential(*body, last, nn.Sigmoid(), Affine(2.0, -1.0))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) in [-1, 1] to the same shape and range; H and W multiples of `size_divisor`."""
        out: Tensor = self.body(x)
        return out


class DiscoDiscriminator(nn.Module):
    """Four 4x4 convolutions that halve the sides and one without padding: one raw output for 64 px, more for more."""

    def __init__(self, channels: int = 3, width: int = 64) -> None:
        """Build the discriminator for images of so many channels, with `width` channels after the first layer."""
        super().__init__()
        self.body = nn.Sequential(Affine(0.5, 0.5), *_judge(channels, [width * 2**i for i in range(4)], 0.2))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W), H and W at least 64, to raw outputs (N, 1, H', W')."""
        out: Tensor = self.body(x)
        return out


class DigitsGenerator(nn.Module):
    """Two halvings, two 3x3 convolutions, two doublings, tanh; batch norm."""

    size_divisor = 4
    """Sides that are multiples of this come out as they went in."""

    def __init__(self, channels: int = 3, width: int = 64, to: int | None = None) -> None:
        """Build the generator.

        Args:
            channels: of the images that go in.
            width: channels after the first convolution.
            to: channels of the images that come out, `channels` if None.
        """
        super().__init__()
        deep = 2 * width
        body = [*_down(channels, width, 0.05), *_down(width, deep, 0.05)]
        for _ in range(2):
            body += [nn.Conv2d(deep, deep, 3, 1, 1, bias=False), BatchNorm(deep), nn.LeakyReLU(0.05, inplace=True)]
        body += [nn.ConvTranspose2d(deep, width, 4, 2, 1, bias=False), BatchNorm(width)]
        last = nn.ConvTranspose2d(width, to or channels, 4, 2, 1, bias=False)
        self.body = nn.Sequential(*body, nn.LeakyReLU(0.05, inplace=True), last, nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to images (N, C', H, W) in [-1, 1]; H and W multiples of 4."""
        out: Tensor = self.body(x)
        return out


class DigitsDiscriminator(nn.Module):
    """Three 4x4 convolutions that halve the sides and one without padding: one raw output for 32 px, more for more."""

    def __init__(self, channels: int = 3, width: int = 64) -> None:
        """Build the discriminator for images of so many channels, with `width` channels after the first layer."""
        super().__init__()
        self.body = nn.Sequential(*_judge(channels, [width * 2**i for i in range(3)], 0.05))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W), H and W at least 32, to raw outputs (N, 1, H', W')."""
        out: Tensor = self.body(x)
        return out


class Affine(nn.Module):
    """Move images from one range to another: the authors' are in [0, 1], which their zero padding takes for black."""

    def __init__(self, scale: float, shift: float) -> None:
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, x: Tensor) -> Tensor:
        """Return scale * x + shift."""
        return self.scale * x + self.shift


def trace(body: nn.Sequential, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return the output of a discriminator's layers, and the features after each of its activations but the first."""
    seen = []
    for layer in body:
        x = layer(x)
        if isinstance(layer, nn.LeakyReLU):
            seen.append(x)
    return x, seen[1:]


def _first(channels: int, width: int, slope: float) -> list[nn.Module]:
    return [nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(slope, inplace=True)]


def _down(cin: int, cout: int, slope: float) -> list[nn.Module]:
    return [nn.Conv2d(cin, cout, 4, 2, 1, bias=False), BatchNorm(cout), nn.LeakyReLU(slope, inplace=True)]


def _judge(channels: int, widths: list[int], slope: float) -> list[nn.Module]:
    body = _first(channels, widths[0], slope)
    for cin, cout in pairwise(widths):
        body += _down(cin, cout, slope)
    return [*body, nn.Conv2d(widths[-1], 1, 4, bias=False)]
