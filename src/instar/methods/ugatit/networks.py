"""Generator and discriminator of U-GAT-IT (Kim et al. 2020, section 2.1 and appendix)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import gcd
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.precision import full_precision
from instar.methods.ugatit.adalin import LIN, AdaLIN
from instar.modules.init import normal
from instar.modules.masked import Masked
from instar.modules.norms import InstanceNorm
from instar.modules.spectral import SpectralConv2d, spectral, weights_of
from instar.modules.upconv import UpConv

DecoderNorm = Literal["adalin", "adain", "instance", "layer", "group"]


class CAM(nn.Module):
    """Class activation attention: a classifier of pooled features whose weights say which channels matter.

    One logit for the average and one for the maximum of each channel. The map is multiplied, channel by channel,
    with the weights of either classifier; a 1x1 convolution mixes the two.
    """

    def __init__(self, channels: int, *, shared: bool = False, spectral_norm: bool = False) -> None:
        """Build the module.

        Args:
            channels: of the map.
            shared: one classifier with a bias, which is added to its weights too (the authors' TensorFlow code).
            spectral_norm: normalise the classifiers' weights, for discriminators.
        """
        super().__init__()
        self.average = _classifier(channels, shared, spectral_norm)
        self.maximum = None if shared else _classifier(channels, shared, spectral_norm)
        self.mix = nn.Conv2d(2 * channels, channels, 1)

    @property
    def classifiers(self) -> list[nn.Linear]:
        """That of the average, and that of the maximum if it has its own."""
        return [self.average] if self.maximum is None else [self.average, self.maximum]

    def forward(self, x: Tensor, weights: Sequence[Tensor] = ()) -> tuple[Tensor, Tensor]:
        """Return the attended map (N, C, H, W), before its activation, and the logits (N, 2).

        Args:
            x: a map (N, C, H, W).
            weights: of the classifiers (1, C), where they are normalised.
        """
        weights = weights or [one.weight for one in self.classifiers]
        found = [
            (weight,) if one.bias is None else (weight, one.bias)
            for one, weight in zip(self.classifiers, weights, strict=True)
        ]
        by_average, by_maximum = found[0], found[-1]
        with torch.autocast(x.device.type, enabled=False):
            full = x.to(by_average[0].dtype)
            pooled = full.mean((2, 3)), full.amax((2, 3))
            logits = [nnf.linear(one, *by) for one, by in zip(pooled, (by_average, by_maximum), strict=True)]
        # The weights are the same for every image and place, so that weighting twice and mixing is one convolution.
        first, second = self.mix.weight.flatten(1).chunk(2, 1)
        kernel = first * sum(by_average) + second * sum(by_maximum)
        return nnf.conv2d(x, kernel[..., None, None], self.mix.bias), torch.cat(logits, 1)


class Block(nn.Module):
    """conv-norm-ReLU-conv-norm, added to the input; no activation after the sum."""

    def __init__(self, channels: int, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.conv1, self.norm1 = _conv(channels, channels, 3), first
        self.conv2, self.norm2 = _conv(channels, channels, 3), second

    def forward(self, x: Tensor, *style: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape; `style` is what the norms take besides the map."""
        inside = self.norm1(self.conv1(x), *style).relu_()
        out: Tensor = x + self.norm2(self.conv2(inside), *style)
        return out


class Generator(Masked):
    """Encoder with residual blocks, attention, decoder whose norms are steered by the attended features.

    Instance norm in the encoder, reflect padding, tanh; no biases but that of the 1x1 convolution.
    """

    size_divisor = 4
    """Sides that are multiples of this come out as they went in."""

    def __init__(
        self,
        channels: int = 3,
        width: int = 64,
        blocks: int = 4,
        *,
        out: int | None = None,
        side: int | None = None,
        attention: bool = True,
        shared_cam: bool = False,
        norm: DecoderNorm = "adalin",
    ) -> None:
        """Build the generator.

        Args:
            channels: of the images that go in.
            width: channels after the first convolution.
            blocks: residual blocks of the encoder, and as many of the decoder.
            out: channels of the images that come out; the same if None.
            side: of the images, for the full generator, which reads γ and β from the whole map; None for the light
                one, which averages the map first and takes images of any size.
            attention: with CAM; off for the ablation.
            shared_cam: see `CAM`.
            norm: of the decoder. instance, layer and group learn their own scale and shift, so that nothing depends
                on `side`.
        """
        super().__init__()
        deep = 4 * width
        adaptive = norm in ("adalin", "adain")
        self.side = side if adaptive else None
        """If set, images must be squares of this side."""
        self.encoder = nn.Sequential(
            *_normed(_conv(channels, width, 7)),
            *_normed(_conv(width, 2 * width, 3, 2)),
            *_normed(_conv(2 * width, deep, 3, 2)),
            *(Block(deep, InstanceNorm(), InstanceNorm()) for _ in range(blocks)),
        )
        self.cam = CAM(deep, shared=shared_cam) if attention else None
        if adaptive:
            read = deep if self.side is None else deep * (self.side // self.size_divisor) ** 2
            self.read = nn.Sequential(_linear(read, deep), nn.ReLU(), _linear(deep, deep), nn.ReLU())
            self.gamma, self.beta = _linear(deep, deep), _linear(deep, deep)
        self.adaptive = adaptive
        self.blocks = nn.ModuleList(
            Block(deep, _norm(norm, deep, adaptive), _norm(norm, deep, adaptive)) for _ in range(blocks)
        )
        self.up = nn.Sequential(*_up(deep, 2 * width, norm), *_up(2 * width, width, norm))
        self.out = _conv(width, channels if out is None else out, 7)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) in [-1, 1] to images of the same shape and range; H and W multiples of 4."""
        return self.limit(self.decode(self.encode(x)[0]), x)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the attended features (N, 4 width, H/4, W/4) and the logits (N, 2), or (N, 0) without attention."""
        if self.side and x.shape[-2:] != (self.side, self.side):
            height, width = x.shape[-2:]
            raise ValueError(
                f"this generator takes images of {self.side} x {self.side} px only, not {width} x {height}"
            )
        features: Tensor = self.encoder(x)
        if self.cam is None:
            return features, features.new_empty(len(x), 0)
        attended, logits = self.cam(features)
        return attended.relu_(), logits

    def decode(self, features: Tensor) -> Tensor:
        """Return the images (N, C, H, W) that attended features stand for."""
        style = self.style(features)
        for block in self.blocks:
            features = block(features, *style)
        out: Tensor = self.out(self.up(features))
        return out.tanh()

    def style(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return γ and β (N, 4 width) for the norms of all residual blocks; nothing if they take none."""
        if not self.adaptive:
            return ()
        read = self.read(features.flatten(1) if self.side else features.mean((2, 3)))
        return full_precision(self.gamma(read)), full_precision(self.beta(read))  # once for all blocks

    def heat_map(self, x: Tensor) -> Tensor:
        """Return where the generator looks in x: maps (N, H/4, W/4), each stretched to [0, 1]; a flat one is 0."""
        total = self.encode(x)[0].float().sum(1)
        low, high = total.amin((1, 2), keepdim=True), total.amax((1, 2), keepdim=True)
        return (total - low) / (high - low).clamp_min(torch.finfo(total.dtype).tiny)


class Outputs(NamedTuple):
    """A discriminator's raw outputs for N images."""

    patches: Tensor
    """(N, 1, H', W'), one for each patch."""
    cam: Tensor
    """(N, 2), of the attention's classifiers; (N, 0) without attention."""


class Discriminator(nn.Module):
    """4x4 convolutions, reflect padding, spectral norm, LeakyReLU 0.2, attention before the last one.

    It sees patches of 16, 34, 70, 142, 286 px with 1 to 5 halvings: 70 is the paper's local, 286 its global one.
    Weights start from N(0, 0.02).
    """

    def __init__(
        self, channels: int = 3, width: int = 64, downs: int = 5, *, attention: bool = True, shared_cam: bool = False
    ) -> None:
        """Build the discriminator.

        Args:
            channels: of the images.
            width: channels after the first convolution; every later one doubles them.
            downs: halvings.
            attention: with CAM; off for the ablation.
            shared_cam: see `CAM`.
        """
        super().__init__()
        widths = [channels, *(width * 2**i for i in range(downs + 1))]
        layers: list[nn.Module] = []
        for i, (cin, cout) in enumerate(pairwise(widths)):
            layers += [_spectral_conv(cin, cout, 2 if i < downs else 1), nn.LeakyReLU(0.2, inplace=True)]
        self.body = nn.Sequential(*layers)
        self.cam = CAM(widths[-1], shared=shared_cam, spectral_norm=True) if attention else None
        if self.cam:
            normal(self.cam.mix)
        self.last = _spectral_conv(widths[-1], 1, 1, bias=False)

    @staticmethod
    def smallest(downs: int) -> int:
        """Return the least side of images for so many halvings: the last two convolutions take 1 px each of 3."""
        return 3 * int(2**downs)

    def forward(self, x: Tensor) -> Outputs:
        """Map images (N, C, H, W) to raw outputs: 256 px give 6 x 6 patches with 5 halvings and 30 x 30 with 3."""
        classifiers = self.cam.classifiers if self.cam else []
        convolutions = [layer for layer in self.body if isinstance(layer, SpectralConv2d)]
        weights = weights_of([*convolutions, *classifiers, self.last])
        features = x
        for conv, weight in zip(convolutions, weights, strict=False):
            features = nnf.leaky_relu_(conv(features, weight), 0.2)
        if self.cam is None:
            return Outputs(self.last(features, weights[-1]), features.new_empty(len(x), 0))
        attended, logits = self.cam(features, weights[-1 - len(classifiers) : -1])
        return Outputs(self.last(nnf.leaky_relu_(attended, 0.2), weights[-1]), logits)


def _conv(cin: int, cout: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False, padding_mode="reflect")


def _linear(cin: int, cout: int) -> nn.Linear:
    return nn.Linear(cin, cout, bias=False)


def _classifier(channels: int, biased: bool, spectral_norm: bool) -> nn.Linear:
    layer = nn.Linear(channels, 1, bias=biased)
    return spectral(layer) if spectral_norm else layer


def _spectral_conv(cin: int, cout: int, stride: int, *, bias: bool = True) -> nn.Conv2d:
    return spectral(SpectralConv2d(cin, cout, 4, stride, 1, bias=bias, padding_mode="reflect"))


def _normed(conv: nn.Conv2d) -> list[nn.Module]:
    return [conv, InstanceNorm(), nn.ReLU(inplace=True)]


def _up(cin: int, cout: int, kind: DecoderNorm) -> list[nn.Module]:
    return [UpConv(cin, cout), _norm(kind, cout, adaptive=False), nn.ReLU(inplace=True)]


def _norm(kind: DecoderNorm, channels: int, adaptive: bool) -> nn.Module:
    if kind == "adalin":
        return AdaLIN(channels) if adaptive else LIN(channels)
    if kind == "adain":
        return AdaLIN(channels, 1.0, fixed=True) if adaptive else LIN(channels, 1.0, fixed=True)
    groups = {"instance": channels, "layer": 1, "group": gcd(32, channels)}[kind]
    return nn.GroupNorm(groups, channels)
