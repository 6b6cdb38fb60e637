"""A light generator that paints over its input.

It is without norms. Instance norm throws away how bright and how coloured an image is, and lets a spot of huge values
steer a whole channel (Karras et al. 2020, section 2). Equalised layers keep the scale in its place.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.device import constant
from instar.core.precision import full_precision
from instar.modules.equalised import EqualConv, activate
from instar.modules.masked import Masked

GRID = 32
"""Places along a side to which an image is folded before the first convolution."""
LEAST = 0.1
"""Mask with which content learns at least, however little of it shows."""
COLOURS = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))
"""From luma, Cb and Cr to red, green and blue (JFIF)."""


class BlendGenerator(Masked):
    """G(x) = x + m (c - x): m in (0, 1) says where, c what is painted, as in GANimation (Pumarola et al. 2018).

    Most of the work is done on a grid of 16 x 16. Content has brightness in full detail and colour in that of the grid:
    the eye, and the discriminator, look for edges in brightness, and colour without edges has no fringes.

    Layers of the encoder have names, in this order: pixels (the image), stem (a grid of 32 x 32), down and middle (16 x
    16, before and after the residual blocks).
    """

    size_divisor: int
    """Sides of an image are multiples of this."""
    channels: dict[str, int]
    """Channels of each encoder layer's output, by name."""

    def __init__(
        self,
        channels: int = 3,
        width: int = 64,
        blocks: int = 4,
        tail: int = 16,
        side: int = 64,
    ) -> None:
        """Draw the weights.

        Args:
            channels: of an image: 3, or 1 for gray.
            width: channels on the grid of 16 x 16.
            blocks: residual blocks there.
            tail: channels at the image's own size.
            side: of the images in training, 32 times a power of two; other sizes are translated at that scale.
        """
        super().__init__()
        self.fold = side // GRID
        self.size_divisor = 4 * self.fold
        half, wide = width // 2, 3 * width // 2
        self.channels = {"pixels": channels, "stem": half, "down": width, "middle": width}
        self.stem = EqualConv(channels * self.fold**2, half, gain=1)
        self.enter = EqualConv(half, half)
        self.down = EqualConv(half, width, stride=2)
        self.blocks = nn.Sequential(*(Residual(width) for _ in range(blocks)))
        self.coarse_down = EqualConv(width, wide, stride=2)
        self.coarse = nn.Sequential(*(Residual(wide) for _ in range(blocks // 2)))
        self.coarse_up = EqualConv(wide, width)
        self.merged = Residual(width)
        self.up = EqualConv(width, half)
        self.joined = EqualConv(2 * half, half)
        # At a third of the rate of the rest, from the same start: faster, colours flicker from step to step.
        self.colour = EqualConv(half, channels - 1, gain=0.3) if channels > 1 else None
        widths = [half, *(tail for _ in range(int(math.log2(self.fold))))]
        self.finer = nn.ModuleList(Finer(cin, cout, channels) for cin, cout in pairwise(widths))
        self.out = EqualConv(widths[-1], 2, gain=1, start=0.3)
        with torch.no_grad():
            self.out.bias[1] = -1.0  # a mask of a quarter: most of the input shows at first

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) in [-1, 1] to images of the same shape; colours may leave the range a little."""
        return self.blended(x)[0]

    def blended(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `forward` returns, and the mask (N, 1, H, W) in (0, 1)."""
        return self._finish(self._encode(x))

    def trace(self, x: Tensor, layers: Collection[str]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the output and, by name, the encoder's features on the way."""
        features = self._encode(x)
        return self._finish(features)[0], {name: features[name] for name in layers}

    def encode(self, x: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """Return encoder features by name."""
        features = self._encode(x)
        return {name: features[name] for name in layers}

    def _encode(self, x: Tensor) -> dict[str, Tensor]:
        stem = self.enter(activate(self.stem(nnf.pixel_unshuffle(x, self.fold))))
        down = self.down(activate(stem))
        return {"pixels": x, "stem": stem, "down": down, "middle": self.blocks(down)}

    def _finish(self, features: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        x, stem, middle = features["pixels"], features["stem"], features["middle"]
        coarse = self.coarse(self.coarse_down(activate(middle)))
        middle = self.merged(middle + self.coarse_up(nnf.interpolate(activate(coarse), scale_factor=2)))
        wide = self.up(nnf.interpolate(activate(middle), scale_factor=2))
        wide = activate(self.joined(activate(torch.cat([wide, stem], 1))))
        fine = wide
        for finer in self.finer:
            fine = finer(fine, x)
        out = full_precision(self.out(fine))
        content, mask = out[:, :1].tanh(), out[:, 1:].sigmoid()
        if self.colour is not None:
            colour = enlarged(0.5 * full_precision(self.colour(wide)).tanh(), self.fold)
            if x.shape[1] == 3:
                content = nnf.conv2d(torch.cat([content, colour], 1), constant(COLOURS, content)[:, :, None, None])
            else:  # how far each band is from the first
                content = torch.cat([content, content + colour], 1)
        return self.limit(blend(x, content, mask), x), mask


def blend(x: Tensor, content: Tensor, mask: Tensor) -> Tensor:
    """Return x + m (c - x), through which content learns as if the mask were `LEAST` or more.

    At first content is worse than the input, and the mask closes. Where it is closed, content would have no gradient:
    it would stay as bad, the mask shut, and the network would return its input for good. So content goes on learning
    what would look right, and the mask, whose own gradient is the true one, opens again when it does.

    Args:
        x: images (N, C, H, W).
        content: of the same shape.
        mask: (N, 1, H, W) in [0, 1].
    """
    if not torch.is_grad_enabled():
        return x + mask * (content - x)
    shown = content.detach()
    return x + mask * (shown - x) + mask.detach().clamp(min=LEAST) * (content - shown)


class Residual(nn.Module):
    """x + conv(conv(x)), activations first; it starts near the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = EqualConv(width, width)
        self.second = EqualConv(width, width, start=0.1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        out: Tensor = x + self.second(activate(self.first(activate(x))))
        return out


class Finer(nn.Module):
    """Twice the sides, with a look at the input."""

    def __init__(self, cin: int, cout: int, channels: int) -> None:
        super().__init__()
        self.first = EqualConv(cin, cout)
        self.second = EqualConv(cout + channels, cout)

    def forward(self, features: Tensor, x: Tensor) -> Tensor:
        """Map features (N, cin, h, w) and the input (N, C, H, W) to activations (N, cout, 2h, 2w)."""
        features = activate(enlarged(self.first(features), 2))
        shrink = x.shape[2] // features.shape[2]
        seen = nnf.avg_pool2d(x, shrink) if shrink > 1 else x
        out: Tensor = activate(self.second(torch.cat([features, seen.to(features.dtype)], 1)))
        return out


def enlarged(x: Tensor, factor: int) -> Tensor:
    """Return maps (N, C, H, W) at `factor` times the sides, between places in straight lines: no grid is seen."""
    return nnf.interpolate(x, scale_factor=factor, mode="bilinear")
