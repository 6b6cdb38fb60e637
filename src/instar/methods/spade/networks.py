"""SPADE's generator, whose every norm sees the label map, and its discriminators of patches."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf
from torch.nn.utils.parametrizations import spectral_norm

from instar.modules.init import xavier
from instar.modules.masked import Masked
from instar.modules.norms import InstanceNorm
from instar.modules.spectral import SpectralConv2d

SLOPE = 0.2
Norm = Literal["running", "instance"]


class SpatialNorm(nn.Module):
    """A norm without parameters, then a scale and a shift of each channel at each place, made from the label map."""

    def __init__(self, channels: int, labels: int, hidden: int, norm: Norm) -> None:
        super().__init__()
        self.norm: nn.Module = nn.BatchNorm2d(channels, affine=False) if norm == "running" else InstanceNorm()
        self.shared = nn.Conv2d(labels, hidden, 3, padding=1)
        self.gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, label_map: Tensor) -> Tensor:
        """Normalise x (N, C, H, W) and modulate it by a map (N, labels, H, W)."""
        seen = nnf.relu(self.shared(label_map))
        out: Tensor = torch.addcmul(self.beta(seen), self.norm(x), 1 + self.gamma(seen))
        return out


class SpatialBlock(nn.Module):
    """Two times norm, LeakyReLU and convolution, added to the input, or to a norm and a convolution of it."""

    def __init__(self, cin: int, cout: int, labels: int, hidden: int, norm: Norm) -> None:
        super().__init__()
        between = min(cin, cout)
        self.norm1 = SpatialNorm(cin, labels, hidden, norm)
        self.conv1 = _spectral(cin, between, 3, padding=1)
        self.norm2 = SpatialNorm(between, labels, hidden, norm)
        self.conv2 = _spectral(between, cout, 3, padding=1)
        self.projects = cin != cout
        if self.projects:
            self.norm_skip = SpatialNorm(cin, labels, hidden, norm)
            self.skip = _spectral(cin, cout, 1, bias=False)

    def forward(self, x: Tensor, label_map: Tensor) -> Tensor:
        """Map x (N, cin, H, W) to (N, cout, H, W); the map is (N, labels, H, W)."""
        inside = self.conv1(_act(self.norm1(x, label_map)))
        inside = self.conv2(_act(self.norm2(inside, label_map)))
        out: Tensor = (self.skip(self.norm_skip(x, label_map)) if self.projects else x) + inside
        return out


class SpatialGenerator(Masked):
    """Starts with a small copy of the label map and doubles it, each block with a norm that sees the map anew."""

    def __init__(
        self, labels: int, channels: int, width: int = 64, ups: int = 5, *, hidden: int = 128, norm: Norm = "running"
    ) -> None:
        """Build the generator.

        Args:
            labels: channels of the label maps.
            channels: of the images.
            width: channels of the last block, twice as many of each before it.
            ups: doublings of the sides.
            hidden: channels between the label map and the scales and shifts.
            norm: running, a batch norm with running averages, or instance.
        """
        super().__init__()
        self.ups = ups
        self.size_divisor = 2**ups
        deepest = width * 2 ** (ups - 1)
        widths = [deepest] * 4 + [deepest // 2**i for i in range(1, ups)]
        self.start = nn.Conv2d(labels, deepest, 3, padding=1)
        self.blocks = nn.ModuleList(SpatialBlock(cin, cout, labels, hidden, norm) for cin, cout in pairwise(widths))
        self.last = nn.Conv2d(width, channels, 3, padding=1)
        xavier(self)

    def forward(self, label_map: Tensor, x: Tensor) -> Tensor:
        """Map label maps (N, labels, H, W) to images (N, channels, H, W) in [-1, 1]; x, the maps as images, has masks.

        H and W are multiples of `size_divisor`.
        """
        maps = [label_map]
        for _ in range(self.ups):
            maps.append(nnf.max_pool2d(maps[-1], 1, 2))
        features = self.start(maps[-1])
        for i, block in enumerate(self.blocks):
            features = block(features, maps[-1])
            if maps[1:] and i != 1:  # the second and the third block have one size
                features = nnf.interpolate(features, scale_factor=2)
                maps.pop()
        return self.limit(torch.tanh(self.last(_act(features))), x)


class PatchDiscriminator(nn.Module):
    """4x4 convolutions; all but the first and the last with spectral and instance norm."""

    def __init__(self, channels: int, width: int = 64, layers: int = 4) -> None:
        """Build the discriminator.

        Args:
            channels: of the label maps and the images together.
            width: channels after the first convolution, doubled with each layer, at most eight times as many.
            layers: convolutions before the last one; all but the last of them halve the sides.
        """
        super().__init__()
        widths = [width * min(2**i, 8) for i in range(layers)]
        stages: list[nn.Module] = [nn.Sequential(nn.Conv2d(channels, width, 4, 2, 2), _leaky())]
        for i, (cin, cout) in enumerate(pairwise(widths), 1):
            stride = 1 if i == layers - 1 else 2
            conv = _spectral(cin, cout, 4, stride=stride, padding=2, bias=False)
            stages.append(nn.Sequential(conv, InstanceNorm(), _leaky()))
        self.stages = nn.ModuleList([*stages, nn.Conv2d(widths[-1], 1, 4, 1, 2)])
        xavier(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map (N, C, H, W) to what each layer gives, last the raw outputs (N, 1, H', W')."""
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found


class MultiScaleDiscriminator(nn.Module):
    """Discriminators of patches, each at half the resolution of the one before."""

    def __init__(self, channels: int, width: int = 64, layers: int = 4, scales: int = 2) -> None:
        """Build the discriminators; `scales` is their number, the others are as of `PatchDiscriminator`."""
        super().__init__()
        self.scales = nn.ModuleList(PatchDiscriminator(channels, width, layers) for _ in range(scales))

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """Map (N, C, H, W) to what each layer of each scale gives."""
        found = []
        for i, scale in enumerate(self.scales):
            if i:
                x = nnf.avg_pool2d(x, 3, 2, padding=1, count_include_pad=False)
            found.append(scale(x))
        return found


def _spectral(cin: int, cout: int, side: int, *, stride: int = 1, padding: int = 0, bias: bool = True) -> nn.Conv2d:
    # Drawn before it is parametrised: later it cannot be.
    conv = xavier(SpectralConv2d(cin, cout, side, stride, padding, bias=bias))
    spectral_norm(conv)
    return conv


def _act(x: Tensor) -> Tensor:
    return nnf.leaky_relu(x, SLOPE)


def _leaky() -> nn.Module:
    return nn.LeakyReLU(SLOPE, inplace=True)
