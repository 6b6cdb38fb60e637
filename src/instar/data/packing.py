"""Pixels in fewer bytes, without loss: WebP of colours of 8 bits, else the differences of rows by zlib."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_LONGEST = 16383
"""Side of an image that WebP holds."""


def pack(pixels: NDArray[Any]) -> bytes:
    """Return pixels (H, W, C) as bytes, of which shape and type are no part."""
    if _is_webp(pixels.shape, pixels.dtype):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "WEBP", lossless=True, quality=0, method=0)
        return out.getvalue()
    flat = _bytes_of(pixels)
    return zlib.compress(np.diff(flat, axis=0, prepend=np.uint8(0)).tobytes(), 1)


def unpack(data: bytes | memoryview, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the pixels that were packed. Raises ValueError or OSError if the bytes are others."""
    if _is_webp(shape, dtype):
        with Image.open(io.BytesIO(data), formats=("WEBP",)) as image:
            return np.asarray(image.convert("RGB")).reshape(shape)
    try:
        flat = np.frombuffer(zlib.decompress(data), np.uint8).reshape(shape[0], -1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    found: NDArray[Any] = np.add.accumulate(flat, axis=0, dtype=np.uint8).view(dtype).reshape(shape)
    return found


def _is_webp(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    return dtype == np.uint8 and shape[2] == 3 and max(shape[:2]) <= _LONGEST


def _bytes_of(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = np.ascontiguousarray(pixels).reshape(pixels.shape[0], -1).view(np.uint8)
    return found
