"""Regions of pictures, and pictures that are moved a little."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def grown(region: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    """Return a region (H, W) with all that is within `pixels` of it, along rows and columns."""
    for axis in (0, 1):
        margins = [(pixels, pixels) if i == axis else (0, 0) for i in (0, 1)]
        padded = np.pad(region, margins)
        parts = [np.take(padded, range(i, i + region.shape[axis]), axis) for i in range(2 * pixels + 1)]
        region = np.logical_or.reduce(parts)
    return region


def shifts(picture: NDArray[np.float32], step: int, most: int) -> list[NDArray[np.float32]]:
    """Return a picture (H, W, C) moved by 0 to `most` steps of pixels to all sides; its edges go on."""
    reach = most * step
    padded = np.pad(picture, [(reach, reach), (reach, reach), (0, 0)], mode="edge")
    height, width = picture.shape[:2]
    places = range(0, 2 * reach + 1, step)
    return [padded[y : y + height, x : x + width] for y in places for x in places]
