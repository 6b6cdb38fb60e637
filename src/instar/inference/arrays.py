"""Between what users have, PIL images and numpy arrays, and what networks take: tensors (N, C, H, W) in [-1, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor

from instar.core.images import LUMA, STRIP, Array, resampling, resize, to_array, to_image, to_tensor
from instar.inference.padding import resized

PixelT = TypeVar("PixelT", np.uint8, np.uint16)


def with_channels(x: Tensor, channels: int) -> Tensor:
    """Make colour gray (ITU-R 601) or gray colour, as the files' reader does; x is (N, C, H, W)."""
    if x.shape[1] == channels:
        return x
    if channels == 3:
        return x.expand(-1, 3, -1, -1)
    return (x * x.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)


def images_to_tensor(batch: Sequence[Image], channels: int, height: int, width: int) -> Tensor:
    """Return PIL images of any modes, each resized, as a tensor (N, channels, height, width)."""
    arrays = [resize(to_array(image, channels), width, height, resampling(image)) for image in batch]
    return torch.stack([to_tensor(array) for array in arrays])


def tensor_to_images(out: Tensor, batch: Sequence[Image]) -> list[Image]:
    """Return a tensor (N, C, H, W) as images of the size and the modes of those it was made from."""
    out = resized(out, batch[0].height, batch[0].width)
    return [to_image(one, image) for one, image in zip(out, batch, strict=True)]


def array_to_tensor(x: NDArray[Any], channels: int) -> Tensor:
    """Return an array as a tensor (N, channels, H, W).

    Args:
        x: (H, W), (H, W, C) or (N, H, W, C), uint8 or uint16.
        channels: 1 or 3.

    Raises:
        ValueError: it is another array; one line.
    """
    if x.dtype not in (np.uint8, np.uint16):
        floats = "; floats go in as a tensor (N, C, H, W) in [-1, 1]" if np.issubdtype(x.dtype, np.floating) else ""
        raise ValueError(f"expected an array of uint8 or uint16 pixels, got {x.dtype}{floats}")
    batch = _as_batch(x)
    if batch.ndim != 4 or batch.shape[3] not in (1, 3) or not batch.size:
        raise ValueError(f"expected an array (H, W), (H, W, C) or (N, H, W, C) with C 1 or 3, got {x.shape}")
    return with_channels(torch.stack([to_tensor(cast(Array, one)) for one in batch]), channels)


def tensor_to_array(out: Tensor, x: NDArray[PixelT]) -> NDArray[PixelT]:
    """Return a tensor (N, C, H, W) as an array of the shape and type of the one that it was made from."""
    top, made = np.iinfo(x.dtype).max, np.empty_like(_as_batch(x), order="C")
    for first in range(0, out.shape[2], STRIP):  # in double precision a large image would fill the memory
        rows = slice(first, first + STRIP)
        unit = with_channels(out[:, :, rows], made.shape[3]).permute(0, 2, 3, 1).double().clamp(-1, 1).add(1)
        made[:, rows] = unit.mul(top / 2).round().numpy()
    return made.reshape(x.shape)


def _as_batch(x: NDArray[Any]) -> NDArray[Any]:
    return x[None, ..., None] if x.ndim == 2 else x[None] if x.ndim == 3 else x
