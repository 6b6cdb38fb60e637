"""Nearest-neighbour upsampling and a convolution in one, without the doubled image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf


class UpConv(nn.Conv2d):
    """Repeat every pixel 2 x 2, pad by reflection, convolve 3 x 3, without a bias.

    Two of three neighbours in a row are copies of one pixel. So each of the four pixels that come from one is a
    convolution 2 x 2 of the small map with sums of the weights: 4/9 of the work, and no large map to keep. All four are
    one transposed convolution, with a kernel 4 x 4.
    """

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__(cin, cout, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', 2H, 2W)."""
        padded = nnf.pad(x, (1, 1, 1, 1), mode="replicate")  # of the small map: the same as reflecting the large one
        turned = self.weight.transpose(0, 1).flip(2, 3)
        # Sums of the taps that fall on the same pixel; not by a convolution, since autocast would round them first.
        kernel = nnf.avg_pool2d(turned, 2, stride=1, padding=1, divisor_override=1)
        return nnf.conv_transpose2d(padded, kernel, stride=2, padding=3)


class UpConv5(nn.Conv2d):
    """Repeat every pixel 2x2, pad by reflection, convolve 5x5: the upsampling of MUNIT.

    Four output pixels lie on one input pixel, and their 25 taps fall on 3x3 input pixels. Taps that fall on the same
    pixel are added up, which leaves a 3x3 convolution with four times the outputs on the small image: 36 products
    instead of 100, and no doubled copy of the features. Only the outermost rows and columns differ, since the doubled
    image is mirrored in its own pixels: they get what the mirrored pixels have more than the repeated ones.
    """

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__(cin, cout, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W), H and W at least 2, to (N, C', 2 H, 2 W)."""
        cout, cin = self.weight.shape[:2]
        # Sums, not products with a matrix of ones: autocast would round the taps before they are added up.
        kernel = torch.stack([kernel for rows in _fold(self.weight, 2) for kernel in _fold(rows, 3)], 1)
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        repeated = nnf.pad(x, (1, 1, 1, 1), mode="replicate")
        out = nnf.pixel_shuffle(nnf.conv2d(repeated, kernel.reshape(4 * cout, cin, 3, 3), bias), 2)
        return _with_edges(out, *self._edges(x))

    def _edges(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what mirroring adds to repeating, for the first and last row, the first and last column."""
        w = self.weight
        rows = torch.cat([x[:, :, 1:2] - x[:, :, :1], x[:, :, -2:-1] - x[:, :, -1:]], 2).repeat_interleave(2, 3)
        rows = nnf.pad(rows, (2, 2, 0, 0), mode="reflect")
        columns = torch.cat([x[..., 1:2] - x[..., :1], x[..., -2:-1] - x[..., -1:]], 3).repeat_interleave(2, 2)
        columns = nnf.pad(columns, (0, 0, 2, 2), mode="replicate")  # the corners are in the rows
        return (
            nnf.conv2d(rows[:, :, :1], w[:, :, :1]),
            nnf.conv2d(rows[:, :, 1:], w[:, :, 4:]),
            nnf.conv2d(columns[..., :1], w[..., :1]),
            nnf.conv2d(columns[..., 1:], w[..., 4:]),
        )


def _with_edges(out: Tensor, first: Tensor, last: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Add to the first and last row of a map (N, C, H, W), to its first and last column, and return it."""
    if torch.is_grad_enabled() and out.requires_grad and not torch.compiler.is_compiling():
        edged: Tensor = _WithEdges.apply(out, first, last, left, right)
        return edged
    out[:, :, :1] += first
    out[:, :, -1:] += last
    out[..., :1] += left
    out[..., -1:] += right
    return out


class _WithEdges(torch.autograd.Function):
    """The same for training: by itself each of the four sums in place would copy the gradient of the whole map."""

    @staticmethod
    def forward(ctx: Any, out: Tensor, *edges: Tensor) -> Tensor:
        ctx.mark_dirty(out)
        return _with_edges(out, *edges)

    @staticmethod
    def backward(ctx: Any, to_out: Tensor) -> tuple[Tensor, ...]:
        return to_out, to_out[:, :, :1], to_out[:, :, -1:], to_out[..., :1], to_out[..., -1:]


def _fold(weight: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Return what five taps over doubled pixels add up to: at the first of a pixel's two copies, and at the second."""
    a, b, c, d, e = weight.unbind(axis)
    return torch.stack((a + b, c + d, e), axis), torch.stack((a, b + c, d + e), axis)
