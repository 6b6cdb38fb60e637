"""The course of a translation in strips: what is computed, kept, summed up and told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from instar.inference.tiles.local import Part, Rows, Stored
from instar.inference.tiles.statistics import Moments
from instar.inference.tiles.storage import Space, Storage

THIN = 8
"""Parts of at most so many rows or columns are tensors."""
CHEAP = 300
"""Multiplications that take a core as long as a disk takes to write a number and to read it."""
COPIES = 4
"""Times the strips that an operation reads and writes which it has in memory: padded, normalised, reordered."""


@dataclass
class Work:
    """Computes features strip by strip, or only counts what that would take.

    Attributes:
        device: that computes.
        image: height and width of the image.
        pixels: of the image in a strip.
        space: for what is kept.
        counts_only: nothing is computed, and what is asked for is zeros.
        tick: called after each strip.
        strips: that were done, or counted.
        strip_bytes: the most memory that the strips of an operation take.
    """

    device: torch.device
    image: tuple[int, int]
    pixels: int
    space: Space
    counts_only: bool = False
    tick: Callable[[int], None] = lambda _: None
    strips: int = 0
    strip_bytes: int = 0
    _moments: WeakKeyDictionary[Rows, Moments] = field(default_factory=WeakKeyDictionary)
    _edges: WeakKeyDictionary[Rows, Tensor] = field(default_factory=WeakKeyDictionary)

    def kept(self, features: Rows) -> Rows:
        """Compute features and keep them, with their moments; or leave them to be computed whenever they are read."""
        if self._better_computed_again(features):
            return features
        *channels, height, width = features.shape
        shape = (torch.Size(channels).numel(), height, width)
        storage = Storage(shape, features.dtype, self.space, empty=self.counts_only)
        found = None
        for first, strip in self.each(features):
            storage.write(first, strip.reshape(-1, *strip.shape[-2:]))
            part = Moments.of(strip)
            found = part if found is None else found.joined(part)
        stored = Stored(features.shape, features.dtype, storage, self.device)
        self._moments[stored] = found or _no_moments(features)
        return stored

    def _better_computed_again(self, features: Rows) -> bool:
        """Tell whether features would lie on disk, take more of it than their source, and are soon computed."""
        source, *others = features.sources()
        size = features.height * features.row_bytes
        larger = not others and size > source.height * source.row_bytes
        return larger and not self.space.fits(size) and features.cost <= CHEAP * features.shape.numel()

    def moments(self, features: Rows) -> Moments:
        """Return the moments of each channel over the whole image."""
        if features not in self._moments:
            found = None
            for _, strip in self.each(features):
                part = Moments.of(strip)
                found = part if found is None else found.joined(part)
            self._moments[features] = found or _no_moments(features)
        return self._moments[features]

    def tensor(self, features: Rows, device: torch.device | None = None) -> Tensor:
        """Return features as a tensor, on the device that computes if none is named."""
        if isinstance(features, Part) and features.dim == -1 and features.shape[-1] <= THIN:
            edge = self._columns(features)
            if edge is not None:
                return edge
        out = torch.zeros(features.shape, dtype=features.dtype, device=device or self.device)
        for first, strip in self.each(features):
            out[..., first : first + strip.shape[-2], :] = strip
        return out

    def here(self, value: Any, features: Sequence[Rows]) -> Any:
        """Return what an operation with features is given beside them: tensors as large as the image, cut to fit."""
        return value

    def whole(self, shape: torch.Size) -> torch.Size:
        """Return the shape that features have in the whole image, of which this may be a part."""
        return shape

    def _columns(self, part: Part) -> Tensor | None:
        """Return some of the outermost columns. Both edges are read at once: whoever reads one reads the other."""
        width, size = part.of.shape[-1], part.shape[-1]
        if width < 2 * THIN or THIN - size < part.start < width - THIN:
            return None
        if part.of not in self._edges:
            edges = torch.zeros(*part.of.shape[:-1], 2 * THIN, dtype=part.dtype, device=self.device)
            for first, strip in self.each(part.of):
                edges[..., first : first + strip.shape[-2], :] = torch.cat([strip[..., :THIN], strip[..., -THIN:]], -1)
            self._edges[part.of] = edges
        start = part.start if part.start < THIN else part.start - width + 2 * THIN
        return self._edges[part.of].narrow(-1, start, size)

    def each(self, features: Rows) -> Iterator[tuple[int, Tensor]]:
        """Yield features strip by strip, each with the number of its first row."""
        height, width = self.image
        rows = max(1, self.pixels * features.height // (height * width))
        strips = -(-features.height // rows)
        self._count(features, rows)
        if self.counts_only:
            self.strips += strips
            return
        for first in range(0, features.height, rows):
            yield first, features.rows(first, min(first + rows, features.height))
            self.strips += 1
            self.tick(self.strips)

    def _count(self, features: Rows, rows: int) -> None:
        total = rows * features.row_bytes
        for source in features.passed() - {features}:
            total += (rows * source.height // features.height + THIN) * source.row_bytes
        self.strip_bytes = max(self.strip_bytes, COPIES * total)


def _no_moments(features: Rows) -> Moments:
    zeros = torch.zeros(features.shape[:-2], dtype=torch.float64)
    return Moments(features.height * features.shape[-1], zeros, zeros, zeros)
