"""Between what a user has and what networks take: channels, sides, ranges, places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor
from torch.nn import functional as nnf

from instar.core.images import LUMA, Array, to_image, to_tensor

SMALLEST = 16
"""Sides are padded to at least this: generators pad by reflection inside, which a map of 1 pixel does not allow."""


def with_channels(x: Tensor, channels: int) -> Tensor:
    """Make colour gray (ITU-R 601) or gray colour, as the files' reader does; x is (N, C, H, W)."""
    if x.shape[1] == channels:
        return x
    if channels == 3:
        return x.expand(-1, 3, -1, -1)
    return (x * x.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)


def padded(x: Tensor, multiple: int) -> Tensor:
    """Pad right and bottom to multiples, by reflection, or by repeating the edge where the image is too small."""
    height, width = x.shape[-2:]
    down, right = (-(-max(side, SMALLEST) // multiple) * multiple - side for side in (height, width))
    if not down and not right:
        return x
    mode = "reflect" if down < height and right < width else "replicate"
    return nnf.pad(x, (0, right, 0, down), mode=mode)


def planes_of(x: NDArray[Any], channels: int) -> Tensor:
    """Return an array (H, W), (H, W, C) or (N, H, W, C), uint8 or uint16, as planes (N, channels, H, W) in [-1, 1]."""
    if x.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"expected uint8 or uint16 pixels, got {x.dtype}; floats in [-1, 1] go in as a tensor")
    batch = _batch(x)
    if batch.ndim != 4 or batch.shape[3] not in (1, 3) or not batch.size:
        raise ValueError(f"expected (H, W), (H, W, C) or (N, H, W, C) with C 1 or 3, got {x.shape}")
    return with_channels(torch.stack([to_tensor(cast(Array, one)) for one in batch]), channels)


def array_like(out: Tensor, x: NDArray[Any]) -> NDArray[Any]:
    """Return a tensor (N, C, H, W) in [-1, 1] as an array of the shape and type of the one that it was made from."""
    top = np.iinfo(x.dtype).max
    unit = with_channels(out, _batch(x).shape[3]).permute(0, 2, 3, 1).double().clamp(-1, 1).add(1)
    return unit.mul(top / 2).round().numpy().astype(x.dtype).reshape(x.shape)


def _batch(x: NDArray[Any]) -> NDArray[Any]:
    return x[None, ..., None] if x.ndim == 2 else x[None] if x.ndim == 3 else x


def pictures(out: Tensor, batch: Sequence[Image]) -> list[Image]:
    """Return a tensor (N, C, H, W) as images of the size and kind of those it was made from."""
    height, width = batch[0].height, batch[0].width
    if out.shape[-2:] != (height, width):
        out = nnf.interpolate(out, (height, width), mode="bicubic", antialias=True).clamp(-1, 1)
    return [to_image(one, image) for one, image in zip(out, batch, strict=True)]


def share(x: Tensor, planes: Tensor) -> Tensor:
    """Return which shares (2,) of the width and the height of padded planes are the image x."""
    return torch.tensor([x.shape[-1] / planes.shape[-1], x.shape[-2] / planes.shape[-2]], device=planes.device)


def pixels(points: Tensor, x: Tensor, planes: Tensor, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return points (N, K, 2) in [-1, 1] of padded planes in pixels of an image (W, H) that was made x."""
    places = (points + 1) / 2 / share(x, planes) * points.new_tensor(size)
    return np.asarray(places.cpu(), np.float32)
