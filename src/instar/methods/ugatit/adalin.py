"""Adaptive layer-instance normalisation (Kim et al. 2020, U-GAT-IT, section 2.1.1)."""

from __future__ import annotations

from typing import Any, cast

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
    for module in net.modules():
        if isinstance(module, (AdaLIN, LIN)) and isinstance(module.rho, nn.Parameter):
            module.rho.clamp_(0.0, top if isinstance(module, AdaLIN) else 1.0)


def _set_rho(layer: nn.Module, channels: int, rho: float, fixed: bool) -> None:
    value = torch.full((channels,), rho)
    if fixed:
        layer.register_buffer("rho", value, persistent=False)
    else:
        layer.register_parameter("rho", nn.Parameter(value))


def _mixed(x: Tensor, rho: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """Both norms are affine in x, so their mixture is one scale and one shift a channel: one pass over the map."""
    x = full_precision(x)
    mean, var = cast("tuple[Tensor, Tensor]", _Moments.apply(x))
    mean_all = mean.mean(1, keepdim=True)
    var_all = var.mean(1, keepdim=True) + (mean - mean_all).square().mean(1, keepdim=True)
    channels, pixels = x.shape[1], x.shape[2] * x.shape[3]
    var, var_all = var * _unbiased(pixels), var_all * _unbiased(channels * pixels)
    instance, layer = rho * (var + EPS).rsqrt(), (1 - rho) * (var_all + EPS).rsqrt()
    scale = gamma * (instance + layer)
    shift = beta - gamma * (instance * mean + layer * mean_all)
    return torch.addcmul(shift[..., None, None], x, scale[..., None, None])


def _unbiased(count: int) -> float:
    """Return what a biased variance of so many numbers is multiplied with; that of a single one is 0 and stays 0."""
    return count / max(count - 1, 1)


class _Moments(torch.autograd.Function):
    """Mean and biased variance (N, C) of each channel of x (N, C, H, W).

    On a CPU `torch.var_mean` takes ten times as long over these axes as two plain means; and its gradient holds on
    to nothing but x here.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        mean = x.mean((2, 3), keepdim=True)
        var = (x - mean).square_().mean((2, 3))
        ctx.save_for_backward(x, mean)
        return mean[..., 0, 0], var

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_mean: Tensor, to_var: Tensor) -> Tensor:
        x, mean = ctx.saved_tensors
        pixels = x.shape[2] * x.shape[3]
        slope = (2 / pixels) * to_var[..., None, None]
        return torch.addcmul(to_mean[..., None, None] / pixels - slope * mean, x, slope)
