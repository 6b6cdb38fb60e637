"""Geometry consistency: to turn or flip an image and to translate it should commute (GcGAN)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn.functional import l1_loss

Map = Literal["rot90", "rot180", "rot270", "vflip", "hflip"]

_TURNS: dict[str, int] = {"rot90": -1, "rot180": 2, "rot270": 1}
"""Quarter turns, counted against the clock as `torch.rot90` does."""


def transform(x: Tensor, name: Map) -> Tensor:
    """Apply f to images (N, C, H, W): turn them clockwise, or flip them upside down or left to right.

    Pixels change places and nothing else, so that `inverse` restores them bit by bit. Quarter turns swap H and W.
    """
    if name in _TURNS:
        return x.rot90(_TURNS[name], (2, 3))
    return x.flip(2 if name == "vflip" else 3)


def inverse(x: Tensor, name: Map) -> Tensor:
    """Undo f."""
    return x.rot90(-_TURNS[name], (2, 3)) if name in _TURNS else transform(x, name)


def geometry_consistency(u: Tensor, u_f: Tensor, name: Map) -> Tensor:
    r"""Difference of two translations, \(E|u - f^{-1}(u_f)| + E|u_f - f(u)|\).

    As in the authors' code each half moves its first side only. Since f moves pixels and nothing else, the gradient is
    exactly half of that of the formula.

    Args:
        u: translations (N, C, H, W) of images x.
        u_f: translations of f(x).
        name: of f.
    """
    return l1_loss(u, inverse(u_f, name).detach()) + l1_loss(u_f, transform(u, name).detach())
