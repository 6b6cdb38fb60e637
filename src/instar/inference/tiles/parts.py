"""Translating a part of an image with statistics that are written down: those of an image, or of a smaller one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map
from typing_extensions import override

from instar.inference.tiles.local import Given, Rows
from instar.inference.tiles.operations import NotLocal, Translate
from instar.inference.tiles.pixels import Box
from instar.inference.tiles.statistics import Moments
from instar.inference.tiles.storage import Space
from instar.inference.tiles.tensor import TiledTensor
from instar.inference.tiles.work import Work


class _InMemory(Work):
    """Keeps what is computed as tensors."""

    def __init__(self, device: torch.device, height: int, width: int) -> None:
        super().__init__(device, (height, width), height * width, Space(0))

    @override
    def kept(self, features: Rows) -> Rows:
        return Given(features.shape, features.dtype, features.rows(0, features.height), self.device)


class Recorded(_InMemory):
    """Computes an image, and writes down the statistics that are asked for, in their order.

    Attributes:
        found: the statistics.
    """

    def __init__(self, device: torch.device, height: int, width: int, pixels: int) -> None:
        """Make one for an image that stands for another one of so many pixels."""
        super().__init__(device, height, width)
        self.found: list[Moments] = []
        self._scale = pixels / (height * width)

    @override
    def moments(self, features: Rows) -> Moments:
        found = super().moments(features)
        found = found.counted(round(found.count * self._scale))
        self.found.append(found)
        return found


class Replayed(_InMemory):
    """Computes a part of an image with the statistics that `Recorded` found."""

    def __init__(self, device: torch.device, box: Box, whole: Box, found: Sequence[Moments]) -> None:
        """Make one for a part of an image."""
        super().__init__(device, box.height, box.width)
        self._box, self._whole, self._left = box, whole, iter(found)

    @override
    def moments(self, features: Rows) -> Moments:
        found, lead = next(self._left, None), features.shape[:-2]
        if found is None or found.mean.numel() != lead.numel():
            raise NotLocal("other statistics for each part")
        return found.reshaped(*lead)

    @override
    def whole(self, shape: torch.Size) -> torch.Size:
        if len(shape) < 4 or self._box == self._whole:
            return shape
        return torch.Size((*shape[:-2], *self._in_whole((shape[-2], shape[-1]))))

    @override
    def here(self, value: Any, features: Sequence[Rows]) -> Any:
        sizes = {(one.shape[-2], one.shape[-1]) for one in features if len(one.shape) >= 4}
        if len(sizes) != 1 or self._box == self._whole:
            return value
        (size,) = sizes

        def cut(one: Any) -> Any:
            if not isinstance(one, Tensor) or one.dim() < 4 or (one.shape[-2] <= size[0] and one.shape[-1] <= size[1]):
                return one
            if tuple(one.shape[-2:]) != self._in_whole(size):
                return one
            top, left = self._box.top * size[0] // self._box.height, self._box.left * size[1] // self._box.width
            return one[..., top : top + size[0], left : left + size[1]]

        return tree_map(cut, value)

    def _in_whole(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width, in the whole image, of features that have this size in the part."""
        high, wide = size[0] * self._whole.height, size[1] * self._whole.width
        if high % self._box.height or wide % self._box.width:
            raise NotLocal("noise of another size than the image")
        return high // self._box.height, wide // self._box.width


def run(translate: Translate, x: Tensor, work: Work) -> Tensor:
    """Translate a tensor (1, C, h, w) with a work's statistics; the result is on the device that computes."""
    out = translate(TiledTensor(Given(x.shape, x.dtype, x, work.device), work))
    if not isinstance(out, TiledTensor):
        raise NotLocal("a result that does not depend on the image by rows")
    rows = out.current()
    return rows.rows(0, rows.height)
