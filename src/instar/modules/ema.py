"""Networks that follow others slowly."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor, nn

from instar.core.device import copy_all

NetT = TypeVar("NetT", bound=nn.Module)


class Average(nn.Module, Generic[NetT]):
    """A copy of a network whose weights are a moving average of the original's. Nobody trains it."""

    def __init__(self, net: NetT) -> None:
        super().__init__()
        self.net: NetT = copy.deepcopy(net).requires_grad_(False)

    @torch.no_grad()
    def update(self, net: nn.Module, decay: float, *, buffers: bool = True) -> None:
        """Set every weight to ``decay * mine + (1 - decay) * theirs``; copy the buffers, or leave them."""
        mine: list[Tensor] = list(self.net.parameters())
        theirs: list[Tensor] = list(net.parameters())
        torch._foreach_lerp_(mine, theirs, 1 - decay)
        if buffers:
            copy_all(list(self.net.buffers()), list(net.buffers()))


def decay_of(half_life: float) -> float:
    """Return the decay at which a weight's influence halves in `half_life` updates."""
    return cast(float, 0.5 ** (1.0 / half_life))
