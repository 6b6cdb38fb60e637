"""Padding by reflection that keeps nothing for the way back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf


class ReflectPad(nn.Module):
    """`nn.ReflectionPad2d` that does not keep its input, of which the gradient needs the shape only.

    An activation after it can then work in place: of a convolution's input one tensor is kept for the way back, not
    two. For networks of padded convolutions that is up to a third of a step's memory.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W), H and W above `size`, to (N, C, H + 2 size, W + 2 size)."""
        if x.requires_grad and torch.is_grad_enabled():
            out: Tensor = _Reflect.apply(x, self.size)
            return out
        return nnf.pad(x, (self.size,) * 4, mode="reflect")


class _Reflect(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int) -> Tensor:
        ctx.shape, ctx.size = x.shape, size
        return nnf.pad(x, (size,) * 4, mode="reflect")

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        shaped = gradient.new_empty(ctx.shape)  # its numbers are never read
        return torch.ops.aten.reflection_pad2d_backward(gradient, shaped, (ctx.size,) * 4), None
