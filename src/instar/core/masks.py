"""Masks of images in training. Outside of them an image is 0 in all channels, which no pixel within is.

So an image says itself where it counts: what joins, splits, turns, mirrors or crops it keeps that, and nobody has to
carry its mask along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from instar.core.formats import DomainFormat

if TYPE_CHECKING:  # exported models translate within masks without it
    from torch import Tensor

MASK = DomainFormat(channels=1)
"""Masks are gray: white where an image counts, black where it does not."""
LEAST = 2.0**-14
"""What a pixel within a mask becomes that is 0 in all channels: less than a hundredth of a grey level of 8 bits."""


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
