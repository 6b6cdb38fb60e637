"""Nearest-neighbour upsampling and a convolution in one."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf


class UpConv(nn.Conv2d):
    """Repeat every pixel 2 x 2, pad by reflection, convolve 3 x 3, without a bias.

    Two of three neighbours in a row are copies of one pixel. So each of the four pixels that come from one is a
    convolution 2 x 2 of the small map with sums of the weights: 4/9 of the work, and no large map to keep.
    """

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__(cin, cout, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', 2H, 2W)."""
        height, width = x.shape[2:]
        padded = nnf.pad(x, (1, 1, 1, 1), mode="replicate")  # of the small map: the same as reflecting the large one
        rows = []
        for r, (up, down) in enumerate(_halves(self.weight, 2)):
            tall = torch.stack((up, down), 2)
            cells = [
                nnf.conv2d(padded[..., r : r + height + 1, c : c + width + 1], torch.stack(halves, 3))
                for c, halves in enumerate(_halves(tall, 3))
            ]
            rows.append(torch.stack(cells, 4))
        return torch.stack(rows, 3).flatten(4, 5).flatten(2, 3)


def _halves(weight: Tensor, axis: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return what three taps over doubled pixels add up to: at the first of the two copies, and at the second."""
    before, here, after = weight.unbind(axis)
    return (before, here + after), (before + here, after)
