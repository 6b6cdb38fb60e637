"""Sizes of tensors: made to fit what networks take, and made the caller's again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instar.core.errors import UserError, setting

if TYPE_CHECKING:  # the rules for sizes can do without
    from torch import Tensor

MOST = 2**26
"""Pixels to which images are enlarged."""
SMALLEST = 16
"""Sides are padded to at least this: generators pad by reflection inside, which a map of 1 pixel does not allow."""


def padded(x: Tensor, multiple: int) -> Tensor:
    """Pad (N, C, H, W) right and below until both sides are multiples, and at least 16.

    By reflection, or by repeating the edge where the image is too small for that. `cropped` undoes it.
    """
    from torch.nn import functional as nnf  # noqa: PLC0415

    height, width = x.shape[-2:]
    high, wide = padded_sides(height, width, multiple)
    down, right = high - height, wide - width
    if not down and not right:
        return x
    mode = "reflect" if down < height and right < width else "replicate"
    return nnf.pad(x, (0, right, 0, down), mode=mode)


def padded_sides(height: int, width: int, multiple: int) -> tuple[int, int]:
    """Return the sides to which `padded` brings an image."""
    high, wide = (-(-max(side, SMALLEST) // multiple) * multiple for side in (height, width))
    return high, wide


def cropped(x: Tensor, height: int, width: int) -> Tensor:
    """Return the upper left part (..., height, width)."""
    return x[..., :height, :width]


def content_share(x: Tensor, planes: Tensor) -> Tensor:
    """Return which shares (2,) of the width and the height of padded planes are the image x."""
    import torch  # noqa: PLC0415

    return torch.tensor([x.shape[-1] / planes.shape[-1], x.shape[-2] / planes.shape[-2]], device=planes.device)


def resized(x: Tensor, height: int, width: int) -> Tensor:
    """Return images (N, C, H, W) in [-1, 1] in another size: bicubic, with antialiasing. Float32 if it is another."""
    from torch.nn import functional as nnf  # noqa: PLC0415

    if x.shape[-2:] == (height, width):
        return x
    return nnf.interpolate(x.float(), (height, width), mode="bicubic", antialias=True).clamp(-1, 1)


def with_short_side(height: int, width: int, short_side: int | None) -> tuple[int, int]:
    """Return height and width in the same proportion, with the given short side; the same ones if there is None."""
    if short_side is None:
        return height, width
    scale = short_side / min(height, width)
    return round(height * scale), round(width * scale)


def enlarged(height: int, width: int, short_side: int | None) -> tuple[int, int]:
    """Return what `with_short_side` does, for an image that is to be translated so.

    Raises:
        UserError: a thin strip would be enlarged to more than `MOST` pixels.
    """
    high, wide = with_short_side(height, width, short_side)
    if high * wide > max(MOST, height * width):
        remedy = f"leave out {setting('size')}, or cut the image into parts"
        raise UserError(f"{setting('size', short_side)}: {width} x {height} would become {wide} x {high}; {remedy}")
    return high, wide
