"""A discriminator that sees the whole image, without norms: equalised layers keep the scale in its place."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.modules.equalised import EqualConv, activate


class WholeDiscriminator(nn.Module):
    """One number for an image: whether a nose fits to its ears is seen by nobody who looks at patches."""

    def __init__(self, channels: int = 3, width: int = 32, side: int = 64) -> None:
        """Draw the weights.

        Args:
            channels: of an image.
            width: channels at half the sides, six times as many at the end.
            side: of all images, 32 times a power of two.
        """
        super().__init__()
        self.folded = EqualConv(4 * channels, width)
        self.first = EqualConv(channels, width // 2)
        self.second = EqualConv(width // 2, width, stride=2)
        halvings = int(math.log2(side)) - 3
        widths = [width, width, width, 2 * width, 4 * width, 6 * width][-(halvings + 1) :]
        widths[0] = width
        self.blocks = nn.Sequential(*(Halving(cin, cout) for cin, cout in pairwise(widths)))
        self.last = EqualConv(widths[-1], 4 * width)
        self.score = nn.Linear(4 * width * 16, 1, bias=False)  # only differences of outputs count
        nn.init.normal_(self.score.weight, std=1 / math.sqrt(self.score.in_features))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, side, side) to raw outputs (N,), large where an image looks real."""
        features = self.folded(nnf.pixel_unshuffle(x, 2)) + self.second(activate(self.first(x)))
        features = self.last(activate(self.blocks(features / math.sqrt(2))))
        out: Tensor = self.score(activate(features).flatten(1)).squeeze(1)
        return out


class Halving(nn.Module):
    """A residual block that halves the sides."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.first = EqualConv(cin, cin)
        self.second = EqualConv(cin, cout, stride=2)
        self.skip = EqualConv(cin, cout, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, cin, H, W) to (N, cout, H / 2, W / 2)."""
        changed = self.second(activate(self.first(activate(x))))
        out: Tensor = (changed + self.skip(nnf.avg_pool2d(x, 2))) / math.sqrt(2)
        return out
