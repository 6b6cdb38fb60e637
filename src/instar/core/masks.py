"""Masks of images in training. Outside of them an image is 0 in all channels, which no pixel within is.

So an image says itself where it counts: what joins, splits, turns, mirrors or crops it keeps that, and nobody has to
carry its mask along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instar.core.formats import DomainFormat
from instar.core.raster import Picture, Raster

if TYPE_CHECKING:  # exported models translate within masks without PyTorch
    from torch import Tensor

    from instar.core.windows import ArrayWindows, TiffWindows

MASK = DomainFormat(channels=1)
"""Masks are gray: white where an image counts, black where it does not."""
_WHITE = 255
"""Of 8 bits."""
_ROWS = 256
"""That are looked at at a time."""
LEAST = 2.0**-14
"""What a pixel within a mask becomes that is 0 in all channels: less than a hundredth of a grey level of 8 bits."""


def as_mask(picture: Picture, largest: int | None = None) -> Picture:
    """Return a mask in which white is not the end of its type, but 1 or 255, with 8 bits; others as they are.

    Segmenters write 0 and 1, and volumes have 16 bits and more for them.

    Args:
        picture: the mask, or a part of it.
        largest: value of the whole mask; that of `picture` if None.
    """
    values = _first_band(picture)
    if values.ndim != 2 or values.dtype.kind not in "iu" or picture.mode == "P" or getattr(picture, "inverted", False):
        return picture
    top = int(values.max()) if largest is None else largest
    if top == 1 or (top == _WHITE and values.dtype.itemsize > 1):
        return Image.fromarray((values.clip(0, top) * (_WHITE // top)).astype(np.uint8))
    return picture


def largest_of(parts: TiffWindows | ArrayWindows) -> int:
    """Return the largest value of a mask of integers, looked at in strips; of others 0.

    Raises:
        NotRead: the file is broken.
    """
    if np.dtype(parts.header.dtype).kind not in "iu":
        return 0
    height, width = parts.header.height, parts.header.width
    strips = (parts.window(top, 0, min(top + _ROWS, height), width) for top in range(0, height, _ROWS))
    return max(int(_first_band(strip).max()) for strip in strips)


def _first_band(picture: Picture) -> NDArray[Any]:
    return picture.pixels[:, :, 0] if isinstance(picture, Raster) else np.asarray(picture)


def white(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where a mask is nearer to white than to black.

    Args:
        mask: (H, W, C), uint8 or uint16, or float32 in [-1, 1], of which the first channel counts.
    """
    middle = 0.0 if mask.dtype.kind == "f" else np.iinfo(mask.dtype).max / 2
    found: NDArray[np.bool_] = mask[:, :, 0] > middle
    return found


def hide(image: NDArray[np.float32], within: NDArray[np.bool_]) -> None:
    """Make an image 0 outside of a mask, and nowhere else, in place.

    Args:
        image: (C, H, W) in [-1, 1].
        within: (H, W), where it counts.
    """
    image[:, ~image.any(0)] = LEAST
    image[:, ~within] = 0


def limited(out: Tensor, like: Tensor) -> Tensor:
    """Return images that are 0 outside of the masks of others, as these are, and nowhere else.

    Args:
        out: images (N, C, H, W), such as translations. No gradient comes from outside.
        like: images (N, C', H, W) that were hidden.
    """
    outside = (like == 0).all(1, keepdim=True)
    empty = (out == 0).all(1, keepdim=True)
    return (out + LEAST * empty.to(out.dtype)).masked_fill(outside, 0)
