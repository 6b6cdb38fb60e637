"""Label maps as images of a few colours, and as one channel for each."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as nnf

from instar.core.precision import full_precision, without_autocast

SEEN = 200
"""Images from which the colours are taken."""
APART = 24.0 / 127.5
"""Colours of which no channel differs by more, 24 of 255, are one where there are many: JPEG and resizing make them."""
FEW = 256
"""Up to so many colours are taken as they are: maps may hold numbers of classes, 0, 1, 2, ..."""
NOWHERE = 10.0
"""What stands for a colour that is not there: far from all of [-1, 1]."""


class LabelColours(nn.Module):
    """Makes label maps one-hot by the nearest of the colours that training maps show most."""

    colours: Tensor

    def __init__(self, count: int, channels: int) -> None:
        """Build the module without colours.

        Args:
            count: of the colours.
            channels: of the maps.
        """
        super().__init__()
        self.register_buffer("colours", torch.full((count, channels), NOWHERE))

    @torch.no_grad()
    def fit(self, batches: Iterable[Tensor]) -> int:
        """Take the colours that have most pixels in maps (N, C, H, W) in [-1, 1], sorted; return how many there are."""
        found: dict[tuple[int, ...], int] = {}
        seen = 0
        for maps in batches:
            levels = ((maps.float().cpu() + 1) * 127.5).round().to(torch.uint8)
            colours, pixels = np.unique(levels.movedim(1, -1).flatten(0, 2).numpy(), axis=0, return_counts=True)
            for colour, count in zip(map(tuple, colours.tolist()), pixels.tolist(), strict=True):
                found[colour] = found.get(colour, 0) + count
            seen += len(maps)
            if seen >= SEEN:
                break
        kept = self._most(found)
        self.colours.fill_(NOWHERE)
        if len(kept):
            self.colours[: len(kept)] = kept
        if distributed.is_available() and distributed.is_initialized():  # each process has seen its share
            distributed.broadcast(self.colours, 0)
        return int((self.colours[:, 0] < NOWHERE).sum())

    def _most(self, found: dict[tuple[int, ...], int]) -> Tensor:
        """Return the colours (K, C) with most pixels of which no two are about the same, sorted by their numbers."""
        apart = APART if len(found) > FEW else 0.0
        kept: list[Tensor] = []
        for colour in sorted(found, key=lambda one: (-found[one], one)):
            here = torch.tensor(colour) / 127.5 - 1
            if all((here - other).abs().max() > apart for other in kept):
                kept.append(here)
            if len(kept) == len(self.colours):
                break
        return torch.stack(sorted(kept, key=lambda one: one.tolist())) if kept else torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, K, H, W): 1 where a colour is the nearest, 0 elsewhere."""
        with without_autocast(x.device.type):
            x = full_precision(x)
            colours = self.colours.to(x.dtype)
            lengths = colours.square().sum(1)
            distances = nnf.conv2d(x, -2 * colours[:, :, None, None], lengths)  # less |x|², which is that of all
        # Not by a minimum over channels, which cannot be computed in tiles.
        nearest: Tensor = reduce(torch.minimum, distances.chunk(len(colours), 1))
        return (distances <= nearest).to(x.dtype)
