"""Convolutions with equalised learning rates (Karras et al. 2018, section 4.1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

LEAK = 0.2
"""Slope of the activations for negative inputs."""


class EqualConv(nn.Module):
    """A convolution whose weights have deviation 1 and are scaled at each use: Adam moves all layers equally fast.

    He's constant, gain / √(inputs of a unit), is a factor of the output instead of the deviation of the weights. Zero
    padding keeps the sides at an odd kernel; a stride divides them.
    """

    def __init__(
        self, cin: int, cout: int, kernel: int = 3, stride: int = 1, *, gain: float = math.sqrt(2), start: float = 1.0
    ) -> None:
        """Draw the weights.

        Args:
            cin: channels of the input.
            cout: channels of the output.
            kernel: side of the kernel, odd.
            stride: step of the kernel.
            gain: of He's constant: √2 after activations, 1 for a first or last layer.
            start: deviation of the weights at the start; small for a layer that should hardly speak at first.
        """
        super().__init__()
        self.weight = nn.Parameter(start * torch.randn(cout, cin, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(cout))
        self.scale = gain / math.sqrt(cin * kernel**2)
        self.stride, self.padding = stride, kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, cin, H, W) to (N, cout, H / stride, W / stride)."""
        return nnf.conv2d(x, self.weight * self.scale, self.bias, self.stride, self.padding)


def activate(x: Tensor) -> Tensor:
    """Return the leaky ReLU of x."""
    return nnf.leaky_relu(x, LEAK)
