"""Spectral normalisation (Miyato et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.parametrizations import spectral_norm

from instar.modules.init import normal

EPS = 1e-12
"""The least length that a vector is divided by, as in PyTorch's spectral norm."""
LayerT = TypeVar("LayerT", nn.Conv2d, nn.Linear)


def spectral(layer: LayerT, std: float = 0.02) -> LayerT:
    """Draw a layer's weight from N(0, std) and keep its largest singular value at 1 from then on.

    In training each reading of `layer.weight` is one power iteration; in eval mode nothing moves. The weight cannot
    be drawn anew later: what `layer.weight` returns is made from the parameter, it is not the parameter.
    """
    spectral_norm(normal(layer, std))
    return layer


def weights_of(layers: Sequence[nn.Conv2d | nn.Linear]) -> list[Tensor]:
    """Return the normalised weights of layers of a network, with what is once for all of them done once.

    They are made in full precision: autocast would iterate in bf16. In training this is one power iteration, and
    PyTorch's own but for rounding, in a third of its operations.

    Args:
        layers: made by `spectral`; all in training, or none.
    """
    with torch.autocast(next(layers[0].parameters()).device.type, enabled=False):
        if not layers[0].training or len(layers) == 1:  # one alone has nothing to share
            return [layer.weight for layer in layers]
        parametrizations: list[Any] = [layer.get_submodule("parametrizations.weight") for layer in layers]
        weights: list[Tensor] = [one.original for one in parametrizations]
        vectors = _iterated([weight.detach().flatten(1) for weight in weights], [one[0] for one in parametrizations])
        return list(_Divided.apply(*vectors, *weights))


class SpectralConv2d(nn.Conv2d):
    """A convolution for `spectral`."""

    def forward(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Convolve x (N, C, H, W) with the normalised weight, which is made here if it is not given."""
        if weight is None:
            (weight,) = weights_of([self])
        out: Tensor = self._conv_forward(x, weight, self.bias)
        return out


@torch.no_grad()
def _iterated(matrices: Sequence[Tensor], norms: Sequence[Any]) -> tuple[Tensor, ...]:
    """Do a power iteration with weights (H, W); return their left vectors, right vectors and largest singular values.

    Args:
        matrices: the weights.
        norms: PyTorch's parametrizations of them, whose vectors move.
    """
    left, _ = _units([torch.mv(matrix, norm._v) for matrix, norm in zip(matrices, norms, strict=True)])
    right, largest = _units([torch.mv(matrix.T, u) for matrix, u in zip(matrices, left, strict=True)])
    torch._foreach_copy_([vector for norm in norms for vector in (norm._u, norm._v)], _alternating(left, right))
    return *left, *right, *largest


def _units(vectors: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return vectors of length 1, and the lengths that they had."""
    lengths = torch._foreach_norm(vectors)
    return list(torch._foreach_div(vectors, torch._foreach_clamp_min(lengths, EPS))), list(lengths)


def _alternating(one: Iterable[Tensor], other: Iterable[Tensor]) -> list[Tensor]:
    return [tensor for pair in zip(one, other, strict=True) for tensor in pair]


class _Divided(torch.autograd.Function):
    """Weights over their largest singular values, of which the vectors are held to be constant."""

    @staticmethod
    def forward(ctx: Any, *given: Tensor) -> tuple[Tensor, ...]:
        count = len(given) // 4
        left, right, largest, weights = (given[i * count : (i + 1) * count] for i in range(4))
        divided = torch._foreach_div(weights, largest)
        ctx.save_for_backward(*left, *right, *largest, *divided)
        return tuple(divided)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *to_divided: Tensor) -> tuple[Tensor | None, ...]:
        count = len(to_divided)
        saved = ctx.saved_tensors  # asked for once: where steps are computed twice it is not there a second time
        left, right, largest, divided = (saved[i * count : (i + 1) * count] for i in range(4))
        shares = [torch.dot(to.flatten(), one.flatten()) for to, one in zip(to_divided, divided, strict=True)]
        found = [
            torch.addr(to.flatten(1), u, v, alpha=-1).view_as(to)
            for to, u, v in zip(to_divided, torch._foreach_mul(left, shares), right, strict=True)
        ]
        torch._foreach_div_(found, largest)
        return *[None] * (3 * count), *found
