"""Layers that exist once for each of two domains, beside those that both share."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


def by_domain(channels: tuple[int, int], make: Callable[[int], nn.Module]) -> nn.ModuleDict:
    """Return a network for each of the domains a and b, made for its number of channels."""
    return nn.ModuleDict({"a": make(channels[0]), "b": make(channels[1])})
