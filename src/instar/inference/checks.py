"""What is wrong with something that is to be translated: one line, before a network sees it."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from PIL.Image import Image
from typing_extensions import TypeIs

from instar.core.raster import Picture, Raster
from instar.core.reading import read

if TYPE_CHECKING:
    from torch import Tensor

Given = Picture | str | PathLike[str]
"""A PIL image or a raster, or the path of a file."""

ROUNDING = 1e-3
"""By which values may leave [-1, 1]."""


def opened(image: Given) -> Picture:
    """Return a picture, read from its file if a path is given.

    Raises:
        UnreadableImage: the file is missing or broken.
        TypeError: it is neither.
        ValueError: it has no pixels.
    """
    if isinstance(image, (str, PathLike)):
        return read(Path(image))
    if not isinstance(image, (Image, Raster)):
        raise TypeError(
            f"cannot translate a {type(image).__name__}; give a PIL image, a numpy array or a tensor, "
            "the path of a file, or a list of images or paths"
        )
    if not image.width or not image.height:
        raise ValueError(f"an image of {image.width} x {image.height} px has no pixels")
    return image


def is_tensor(image: object) -> TypeIs[Tensor]:
    """Tell whether something is a tensor of PyTorch, without importing that: whoever has one has imported it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(image, torch.Tensor)


def check_equal_sizes(batch: Sequence[Picture]) -> None:
    """Refuse images that cannot go through a network together."""
    if not batch:
        raise ValueError("no images: give at least one")
    for image in batch:
        if image.size != batch[0].size:
            sizes = f"{batch[0].width} x {batch[0].height} and {image.width} x {image.height} px"
            raise ValueError(f"expected images of one size, got {sizes}; `translate` takes a list of any sizes")


def check_tensor(x: Tensor, channels: int) -> None:
    """Refuse a tensor that is not float ([N,] channels, H, W) in [-1, 1]."""
    fits = x.dim() in (3, 4) and x.shape[-3] == channels and x.numel()
    if not fits or not x.is_floating_point():
        remedy = "" if x.is_floating_point() else "; pixels 0 to 255 are made so by x / 127.5 - 1"
        wanted = f"float ([N,] {channels}, H, W) in [-1, 1]"
        raise ValueError(f"expected a tensor {wanted}, got {x.dtype} {tuple(x.shape)}{remedy}")
    low, high = (bound.item() for bound in x.detach().aminmax())
    if low >= -1 - ROUNDING and high <= 1 + ROUNDING:
        return
    if math.isnan(low) or math.isnan(high):
        raise ValueError("expected a tensor in [-1, 1], this one holds NaN")
    raise ValueError(
        f"expected a tensor in [-1, 1], got values from {low:g} to {high:g}; "
        "x / 127.5 - 1 makes pixels 0 to 255 so, 2 * x - 1 values 0 to 1, x.clamp(-1, 1) cuts off what overshoots"
    )
