"""Adaptive layer-instance normalisation (Kim et al. 2020, U-GAT-IT, section 2.1.1)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from instar.core.precision import full_precision

EPS = 1e-5


class AdaLIN(nn.Module):
    r"""\(\gamma \cdot (\rho \cdot IN(x) + (1 - \rho) \cdot LN(x)) + \beta\) with \(\gamma, \beta\) from outside.

    IN looks at each channel, LN at the whole image; ρ is learned, one number a channel. Variances are unbiased, as in
    the authors' PyTorch code.
    """

    rho: Tensor

    def __init__(self, channels: int, rho: float = 0.9, *, fixed: bool = False) -> None:
        """Build the layer.

        Args:
            channels: of the map.
            rho: the share of instance norm to start from.
            fixed: keep it: 1 is AdaIN.
        """
        super().__init__()
        _set_rho(self, channels, rho, fixed)

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        """Normalise x (N, C, H, W); `gamma` and `beta` are (N, C)."""
        return _mixed(x, self.rho, gamma, beta)


class LIN(nn.Module):
    """The same with learned scale and shift, for the layers that upsample."""

    rho: Tensor

    def __init__(self, channels: int, rho: float = 0.0, *, fixed: bool = False) -> None:
        """Build the layer; arguments as those of `AdaLIN`."""
        super().__init__()
        _set_rho(self, channels, rho, fixed)
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (N, C, H, W)."""
        return _mixed(x, self.rho, self.gamma, self.beta)


@torch.no_grad()
def clip_rho(net: nn.Module, top: float = 1.0) -> None:
    """Put every learned ρ of `net` back into [0, 1], those of `AdaLIN` into [0, top]; nothing else moves."""
    for kind, bound in ((AdaLIN, top), (LIN, 1.0)):
        layers = [part for part in net.modules() if isinstance(part, kind)]
        found = [layer.rho.detach() for layer in layers if isinstance(layer.rho, nn.Parameter)]
        if found:
            torch._foreach_clamp_min_(found, 0.0)
            torch._foreach_clamp_max_(found, bound)


def _set_rho(layer: nn.Module, channels: int, rho: float, fixed: bool) -> None:
    value = torch.full((channels,), rho)
    if fixed:
        layer.register_buffer("rho", value, persistent=False)
    else:
        layer.register_parameter("rho", nn.Parameter(value))


def _mixed(x: Tensor, rho: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """Normalise x (N, C, H, W); `gamma` and `beta` are (N, C) or (C)."""
    out: Tensor = _Mixture.apply(x, rho, gamma, beta)
    return out


class _Mixture(torch.autograd.Function):
    """Both norms are affine in x, so their mixture is one scale and one shift a channel: one pass over the map.

    Its gradient is written out, since on a GPU a step is as long as it has operations: there are half as many of them
    as in the one that PyTorch would derive. x is kept as it came, in bfloat16 where it did.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, rho: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        full, gamma, beta = full_precision(x), full_precision(gamma), full_precision(beta)
        channels, pixels = x.shape[1], x.shape[2] * x.shape[3]
        mean, var = _moments(full)
        between, mean_all = torch.var_mean(mean, 1, correction=0, keepdim=True)
        var_all = between + var.mean(1, keepdim=True)
        inverse, inverse_all = _inverse_deviation(var, pixels), _inverse_deviation(var_all, channels * pixels)
        of_instance = gamma * rho
        of_layer = gamma - of_instance
        by_instance, by_layer = of_instance * inverse, of_layer * inverse_all
        scale = by_instance + by_layer
        shift = torch.addcmul(torch.addcmul(beta, by_instance, mean, value=-1), by_layer, mean_all, value=-1)
        ctx.save_for_backward(x, mean, mean_all, inverse, inverse_all, rho, gamma, of_layer, by_instance, scale)
        return torch.addcmul(shift[..., None, None], full, scale[..., None, None])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_out: Tensor) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        x, mean, mean_all, inverse, inverse_all, rho, gamma, of_layer, by_instance, scale = ctx.saved_tensors
        x = full_precision(x)
        channels, pixels = x.shape[1], x.shape[2] * x.shape[3]
        # Sums over the map of the gradient, alone and times what either norm makes of x.
        total, product = to_out.sum((2, 3)), (to_out * x).sum((2, 3))
        on_instance = torch.addcmul(product, mean, total, value=-1) * inverse
        on_layer = torch.addcmul(product, mean_all, total, value=-1) * inverse_all
        to_rho = ((on_instance - on_layer) * gamma).sum(0) if ctx.needs_input_grad[1] else None
        to_gamma = torch.lerp(on_layer, on_instance, rho)
        # What comes of the means and deviations is affine in x too.
        turn = by_instance * inverse * on_instance
        layer = (torch.stack((on_layer, total)) * of_layer).sum(-1, keepdim=True) * inverse_all
        turn_all = layer[0] * inverse_all * (-1 / _degrees(channels * pixels))
        slope = torch.add(turn_all, turn, alpha=-1 / _degrees(pixels))
        start_all = torch.addcmul(layer[1] * (-1 / (channels * pixels)), turn_all, mean_all, value=-1)
        start = torch.add(start_all, by_instance * total, alpha=-1 / pixels)
        start = torch.addcmul(start, turn, mean, value=1 / _degrees(pixels))
        to_x = torch.addcmul(start[..., None, None], x, slope[..., None, None])
        to_x.addcmul_(to_out, scale[..., None, None])
        return to_x, to_rho, to_gamma.sum_to_size(gamma.shape), total.sum_to_size(gamma.shape)


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance (N, C) of each channel of x (N, C, H, W)."""
    if x.is_cuda:
        var, mean = torch.var_mean(x, (2, 3), correction=0)
        return mean, var
    # There `torch.var_mean` takes ten times as long over these axes as two plain means.
    mean = x.mean((2, 3), keepdim=True)
    return mean[..., 0, 0], (x - mean).square_().mean((2, 3))


def _inverse_deviation(var: Tensor, count: int) -> Tensor:
    """Return 1 / sqrt(v + eps), v the unbiased variance of so many numbers, of which `var` is the biased one."""
    return torch.add(torch.tensor(EPS, dtype=var.dtype), var, alpha=count / _degrees(count)).rsqrt()


def _degrees(count: int) -> int:
    """Return the degrees of freedom of the variance of so many numbers; that of a single one is 0 and stays 0."""
    return max(count - 1, 1)
