"""Anti-aliased down- and upsampling (Zhang 2019), as in CUT's networks."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf


class BlurDown(nn.Module):
    """Halve the sides: blur with [1, 2, 1] x [1, 2, 1] / 16, padding of 1, stride 2."""

    kernel: Tensor

    def __init__(self, padding: Literal["reflect", "replicate"] = "reflect") -> None:
        super().__init__()
        self.padding = padding
        taps = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("kernel", (taps[:, None] * taps / 16)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, ceil(H / 2), ceil(W / 2))."""
        channels = x.shape[1]
        padded = nnf.pad(x, (1, 1, 1, 1), mode=self.padding)
        kernel = self.kernel.to(x.dtype).expand(channels, 1, 3, 3)
        return nnf.conv2d(padded, kernel, stride=2, groups=channels)


class BlurUp(nn.Module):
    """Double the sides: [1, 3, 3, 1] x [1, 3, 3, 1] / 16 between zeros, replicate padding.

    That filter is bilinear interpolation with half-pixel centres, for which there is a fast kernel everywhere.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, 2H, 2W)."""
        return nnf.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
