"""Pictures that Pillow has no mode for: arrays of the files' own type, with what the files say of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in gray: ITU-R 601, as Pillow uses them."""
TURNED = 5
"""Orientations from this one on swap width and height."""


class NotRead(Exception):  # noqa: N818 (it is caught where files are opened, and becomes another)
    """A file that is not read, and why."""


class Header(NamedTuple):
    """What a file says of its picture before it is decoded."""

    width: int
    """Upright, as the height."""
    height: int
    bands: int = 3
    """Without opacity. Palettes count as colours."""
    dtype: str = "uint8"
    plain: bool = True
    """Whether Pillow holds it."""
    alpha: bool = False
    inverted: bool = False
    """Whether 0 is white; only of what Pillow does not hold."""
    pages: int = 1

    @property
    def wide(self) -> bool:
        """Whether it has more than 8 bits."""
        return self.dtype != "uint8"


@dataclass(frozen=True)
class Raster:
    """A picture that Pillow has no mode for.

    Attributes:
        pixels: (H, W, C) of any real type.
        alpha: whether the last band is opacity.
        inverted: whether 0 is white.
        info: as of a PIL image: profile, resolution, notes.
    """

    pixels: NDArray[Any]
    alpha: bool = False
    inverted: bool = False
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, as of a PIL image."""
        return self.width, self.height

    @property
    def bands(self) -> int:
        """Bands without opacity."""
        return int(self.pixels.shape[2]) - self.alpha

    @property
    def mode(self) -> str:
        """Its kind in words, such as "4 x uint16" or "3 x uint16 + alpha"."""
        return f"{self.bands} x {self.pixels.dtype.name}" + " + alpha" * self.alpha

    @property
    def opacity(self) -> NDArray[Any] | None:
        """Opacity (H, W) in the type of the pixels, if there is one."""
        return self.pixels[:, :, -1] if self.alpha else None

    def crop(self, box: tuple[int, int, int, int]) -> Raster:
        """Return the part between left, upper, right and lower borders."""
        left, upper, right, lower = box
        return replace(self, pixels=self.pixels[upper:lower, left:right])


Array = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]
"""Pixels (H, W, C): uint8 or uint16 over the whole range of their type, or float32 in [-1, 1]."""
Picture = Image.Image | Raster
"""What is read from a file."""


def bands_of(picture: Raster, channels: int) -> NDArray[Any] | None:
    """Return pixels (H, W, channels) of the picture's own type; None where its bands do not fit.

    All bands count if they are as many as channels, opacity too; else what is transparent is laid over white. Gray
    serves three channels, and colour one (ITU-R 601).
    """
    if picture.pixels.shape[2] == channels:
        return picture.pixels
    opaque = _over_white(picture)
    if picture.bands == channels:
        return opaque
    if picture.bands == 1 and channels == 3:
        return np.repeat(opaque, 3, axis=2)
    if picture.bands == 3 and channels == 1:
        gray = opaque @ np.array(LUMA)
        rounded: NDArray[Any] = (np.rint(gray) if opaque.dtype.kind in "iu" else gray).astype(opaque.dtype)
        return rounded[:, :, None]
    return None


def fits(header: Header, channels: int) -> bool:
    """Tell whether the bands of a file serve networks with so many channels."""
    return channels in (header.bands, header.bands + header.alpha) or {header.bands, channels} == {1, 3}


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return pixels (H, W, C) turned as EXIF's or TIFF's orientation says, from 1 (as they are) to 8."""
    if orientation >= TURNED:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):  # columns from the right
        pixels = pixels[:, ::-1]
    return pixels[::-1] if orientation in (3, 4, 7, 8) else pixels  # rows from below


def _over_white(picture: Raster) -> NDArray[Any]:
    opacity = picture.opacity
    if opacity is None:
        return picture.pixels
    colours, top = picture.pixels[:, :, :-1], _top(picture.pixels)
    share = (opacity / top)[:, :, None]
    white = 0 if picture.inverted else top
    mixed = colours * share + white * (1 - share)
    return (np.rint(mixed) if colours.dtype.kind in "iu" else mixed).astype(colours.dtype)


def _top(pixels: NDArray[Any]) -> float:
    return float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind in "iu" else 1.0
