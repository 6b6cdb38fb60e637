"""Initial weights."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def normal(net: ModuleT, std: float = 0.02) -> ModuleT:
    """Draw weights from N(0, std), zero the biases, and return `net`: pix2pix and CycleGAN.

    The scales of affine norms are drawn from N(1, std).
    """
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(module.weight, 0.0, std)
            _zero_bias(module)
        elif isinstance(getattr(module, "weight", None), nn.Parameter):
            nn.init.normal_(module.weight, 1.0, std)  # type: ignore[arg-type]
    return net


def xavier(net: ModuleT, gain: float = 0.02) -> ModuleT:
    """Draw weights from Xavier's normal distribution, zero the biases, and return `net`: CUT's code.

    At this gain a fresh generator puts out almost flat gray.
    """
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.xavier_normal_(module.weight, gain)
            _zero_bias(module)
    return net


def _zero_bias(module: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> None:
    if module.bias is not None:
        nn.init.zeros_(module.bias)
