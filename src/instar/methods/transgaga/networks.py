"""TransGaGa's networks within a domain: where things are, how they look, and the picture that both make.

The paper gives no layers; these are Instar's. Convolutions pad with zeros. Kernels are drawn from He's distribution.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.precision import full_precision
from instar.methods.transgaga.landmarks import render, soft_argmax
from instar.modules.init import kaiming
from instar.modules.norms import InstanceNorm, adaptive_instance_norm
from instar.modules.resample import BlurUp

Inject = Literal["film", "concat"]
"""film: scales and shifts of every norm come from the appearance code. concat: the code is laid beside the deepest
geometry features, as the paper writes it; an instance norm takes it away again but for the border."""


class LandmarkDetector(nn.Module):
    """E^g, a U-Net that puts K points on an image. It tells nothing else of it: 2 K numbers."""

    def __init__(self, channels: int = 3, width: int = 32, landmarks: int = 30) -> None:
        """Build the network.

        Args:
            channels: of the images.
            width: channels after the first convolution, at most eight times as many later.
            landmarks: K.
        """
        super().__init__()
        widths = [width * 2 ** min(i, 3) for i in range(5)]
        self.enter = _conv(channels, width, 3)
        self.down = nn.ModuleList(_conv(cin, cout, 4) for cin, cout in pairwise(widths))
        self.larger = BlurUp()
        outs = [widths[3], *widths[2::-1]]
        ins = [widths[4], *outs[:-1]]
        self.up = nn.ModuleList(
            _conv(cin + skip, cout, 3) for cin, skip, cout in zip(ins, reversed(widths[:4]), outs, strict=True)
        )
        self.head = nn.Conv2d(width, landmarks, 1)
        kaiming(self, _SLOPE)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, C, H, W), H and W multiples of 16, to points (N, K, 2) in (-1, 1) and their variances (N, K)."""
        return soft_argmax(self.logits(x))

    def logits(self, x: Tensor) -> Tensor:
        """Return one map (N, K, H, W) for each landmark, before the softmax over all pixels."""
        features = [self.enter(x)]
        for down in self.down:
            features.append(down(features[-1]))
        h = features.pop()
        for up in self.up:
            h = up(torch.cat([self.larger(h), features.pop()], 1))
        out: Tensor = self.head(h)
        return out


class GeometryEncoder(nn.Module):
    """E^c: rendered landmarks to features of five sizes, from the image's to a sixteenth of it."""

    def __init__(self, landmarks: int = 30, width: int = 64) -> None:
        super().__init__()
        self.widths = _widths(width)
        self.enter = _conv(landmarks, width, 3)
        self.down = nn.ModuleList(_conv(cin, cout, 4) for cin, cout in pairwise(self.widths))
        kaiming(self, _SLOPE)

    def forward(self, g: Tensor) -> list[Tensor]:
        """Map (N, K, H, W) to five features, the largest first."""
        features = [self.enter(g)]
        for down in self.down:
            features.append(down(features[-1]))
        return features


class AppearanceEncoder(nn.Module):
    """E^a: an image, and where its landmarks are, to mean and log variance of its appearance code.

    No norm, which would take the colours away.
    """

    def __init__(self, channels: int = 3, width: int = 64, code: int = 128, landmarks: int = 0) -> None:
        """Build the network.

        Args:
            channels: of the images.
            width: channels after the first convolution.
            code: numbers in a code.
            landmarks: maps that it sees beside the image; 0 for the image alone.
        """
        super().__init__()
        self.sees_landmarks = landmarks > 0
        layers: list[nn.Module] = [nn.Conv2d(channels + landmarks, width, 7, padding=3), _leaky()]
        for cin, cout in pairwise(_widths(width)):
            layers += [nn.Conv2d(cin, cout, 4, 2, 1), _leaky()]
        self.body = nn.Sequential(*layers)
        self.mu, self.logvar = (nn.Linear(4 * width, code) for _ in range(2))
        kaiming(self, _SLOPE)
        nn.init.normal_(self.logvar.weight, 0.0, 0.01)

    def forward(self, x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """Map images (N, C, H, W) and rendered landmarks (N, K, H, W) to (N, code) twice, in float32 or better."""
        h = self.body(torch.cat([x, g], 1) if self.sees_landmarks else x).mean((2, 3))
        return full_precision(self.mu(h)), full_precision(self.logvar(h))


class Decoder(nn.Module):
    """D: features of geometry and an appearance code to an image."""

    def __init__(self, channels: int = 3, width: int = 64, code: int = 128, *, inject: Inject = "film") -> None:
        """Build the network.

        Args:
            channels: of the images.
            width: that of the geometry encoder.
            code: numbers in an appearance code.
            inject: see `Inject`.
        """
        super().__init__()
        self.inject = inject
        film = code if inject == "film" else 0
        skips = _widths(width)[::-1]
        outs = [skips[0], *skips[1:]]
        first = skips[0] + (0 if film else code)
        self.deepest = Block(first, outs[0], film)
        self.up = nn.ModuleList(Block(cin + skip, skip, film) for cin, skip in zip(outs[:-1], skips[1:], strict=True))
        self.out = nn.Conv2d(width, channels, 7, padding=3)
        kaiming(self, _SLOPE)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0.0, 0.05)

    def forward(self, features: list[Tensor], a: Tensor) -> Tensor:
        """Map five features of `GeometryEncoder` and codes (N, code) to images (N, C, H, W) in [-1, 1]."""
        *skips, h = features
        if self.inject == "concat":
            h = torch.cat([h, a.to(h.dtype)[..., None, None].expand(-1, -1, *h.shape[2:])], 1)
        h = self.deepest(h, a)
        for up, skip in zip(self.up, reversed(skips), strict=True):
            h = up(torch.cat([nnf.interpolate(h, scale_factor=2.0), skip], 1), a)
        out: Tensor = self.out(h).tanh()
        return out


class Block(nn.Module):
    """Convolution, instance norm, scale and shift from a code, LeakyReLU."""

    def __init__(self, cin: int, cout: int, code: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 3, padding=1)
        self.numbers = nn.Linear(code, 2 * cout) if code else None
        self.norm = InstanceNorm()

    def forward(self, h: Tensor, a: Tensor) -> Tensor:
        """Map (N, C, H, W) and codes (N, code) to (N, C', H, W)."""
        h = self.conv(h)
        if self.numbers is None:
            return nnf.leaky_relu(self.norm(h), _SLOPE)
        gamma, beta = self.numbers(a).chunk(2, 1)
        return nnf.leaky_relu(adaptive_instance_norm(h, 1 + gamma, beta), _SLOPE)


class ConditionalVAE(nn.Module):
    """A domain's geometry encoder, appearance encoder and decoder."""

    size_divisor = 32
    """Sides are multiples of 16, and at 16 px the deepest features are one pixel, which a norm would set to 0."""

    def __init__(
        self,
        channels: int = 3,
        width: int = 64,
        landmarks: int = 30,
        code: int = 128,
        *,
        inject: Inject = "film",
    ) -> None:
        """Build the networks.

        Args:
            channels: of the images.
            width: channels after the first convolution of each.
            landmarks: K.
            code: numbers in an appearance code.
            inject: see `Inject`.
        """
        super().__init__()
        self.E_c = GeometryEncoder(landmarks, width)
        self.E_a = AppearanceEncoder(channels, width, code, landmarks)
        self.D = Decoder(channels, width, code, inject=inject)

    def draw(self, points: Tensor, a: Tensor, size: torch.Size, *, twice: bool = False) -> Tensor:
        """Draw landmarks in appearances.

        Args:
            points: (N, K, 2).
            a: codes (N, S).
            size: of images (N, C, H, W) whose sides the pictures get.
            twice: add the same pictures once more, from which no gradient reaches the landmarks.

        Returns:
            Images (N, C, H, W), or (2 N, C, H, W), in [-1, 1].
        """
        features = self.E_c(render(points, *size[2:]))
        if twice:
            features, a = [torch.cat([f, f.detach()]) for f in features], torch.cat([a, a])
        out: Tensor = self.D(features, a)
        return out

    def appearance(self, x: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance (N, code) of images' appearance; no gradient reaches the landmarks."""
        mu, logvar = self.E_a(x, render(points.detach(), *x.shape[2:]))
        return mu, logvar


def _widths(width: int) -> list[int]:
    return [width * 2 ** min(i, 2) for i in range(5)]


def _conv(cin: int, cout: int, kernel: int) -> nn.Sequential:
    """Return a convolution, of 4x4 with stride 2, instance norm and LeakyReLU."""
    stride = 2 if kernel == 4 else 1
    return nn.Sequential(nn.Conv2d(cin, cout, kernel, stride, 1), InstanceNorm(), _leaky())


def _leaky() -> nn.Module:
    return nn.LeakyReLU(_SLOPE, inplace=True)


_SLOPE = 0.2
