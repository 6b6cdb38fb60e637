"""How far a pixel of the result looks: measured with numbers that spread to everything that depends on them."""

from __future__ import annotations

import torch
from typing_extensions import override

from instar.inference.tiles.local import Rows
from instar.inference.tiles.operations import NotLocal, Translate
from instar.inference.tiles.parts import Replayed, run
from instar.inference.tiles.pixels import SMALLEST_PART, Box
from instar.inference.tiles.statistics import Moments

LONGEST = 2**14
"""Rows in which the end of what depends on a pixel is looked for."""
_FIRST = 512


class _Fixed(Replayed):
    """Statistics that depend on nothing."""

    def __init__(self, device: torch.device, height: int, width: int) -> None:
        super().__init__(device, Box(0, 0, height, width), Box(0, 0, height, width), ())

    @override
    def moments(self, features: Rows) -> Moments:
        pixels, ones = features.height * features.shape[-1], torch.ones(features.shape[:-2], dtype=torch.float64)
        return Moments(pixels, 0 * ones, pixels * ones, ones)


def reach(translate: Translate, channels: int, step: int, device: torch.device) -> int:
    """Return how many pixels on each side of a part its translation depends on, as a multiple of `step`.

    Whatever statistics a norm takes of the image are left out.

    Args:
        translate: maps (1, C, H, W) to (1, D, H, W).
        channels: C.
        step: H and W are multiples of it.
        device: that computes.

    Raises:
        NotLocal: it depends on the whole image.
    """
    return max(_along(translate, channels, step, device, down) for down in (True, False))


def _along(translate: Translate, channels: int, step: int, device: torch.device, down: bool) -> int:
    """Do what `reach` does, along one of the dimensions."""
    across = -(-SMALLEST_PART // step) * step
    length = -(-_FIRST // step) * step
    while length <= max(LONGEST, 4 * step):
        first = length // (2 * step) * step
        x = torch.zeros(1, channels, length, across, device=device)
        x[:, :, first : first + step] = torch.nan
        x = x if down else x.mT
        out = run(translate, x, _Fixed(device, x.shape[-2], x.shape[-1]))
        touched = out.isnan().flatten(0, 1).any(0).any(1 if down else 0).nonzero().flatten()
        if not len(touched):
            return 0
        low, high = int(touched[0]), int(touched[-1])
        if low > 0 and high < length - 1:
            return -(-max(first - low, high + 1 - first - step, 0) // step) * step
        length *= 2
    raise NotLocal("a result of which each pixel depends on all pixels")
