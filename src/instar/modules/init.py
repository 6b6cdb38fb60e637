"""Initial weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

ModuleT = TypeVar("ModuleT", bound=nn.Module)
_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def normal(net: ModuleT, std: float = 0.02) -> ModuleT:
    """Draw weights from N(0, std), zero the biases, and return `net`: pix2pix and CycleGAN.

    The scales of affine norms are drawn from N(1, std).
    """
    for module in net.modules():
        if isinstance(module, _LAYERS):
            _draw(module, lambda weight: nn.init.normal_(weight, 0.0, std))
        elif isinstance(getattr(module, "weight", None), nn.Parameter):
            nn.init.normal_(module.weight, 1.0, std)  # type: ignore[arg-type]
    return net


def xavier(net: ModuleT, gain: float = 0.02) -> ModuleT:
    """Draw weights from Xavier's normal distribution, zero the biases, and return `net`: CUT's code.

    At this gain a fresh generator puts out almost flat gray.
    """
    for module in net.modules():
        if isinstance(module, _LAYERS):
            _draw(module, lambda weight: nn.init.xavier_normal_(weight, gain))
    return net


def kaiming(net: ModuleT, slope: float = 0.0) -> ModuleT:
    """Draw weights from He's normal distribution by the inputs of a unit, zero the biases, and return `net`: MUNIT.

    `slope` is that of the activations for negative inputs.
    """
    for module in net.modules():
        if isinstance(module, _LAYERS):
            _draw(module, lambda weight: nn.init.kaiming_normal_(weight, slope))
    return net


def _draw(layer: nn.Module, weight: Callable[[Tensor], Tensor]) -> None:
    if not is_parametrized(layer, "weight"):  # what `modules.spectral` has drawn already
        weight(cast(Tensor, layer.weight))
    if isinstance(layer.bias, Tensor):
        nn.init.zeros_(layer.bias)
