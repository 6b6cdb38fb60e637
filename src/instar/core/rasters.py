"""Rasters between files and networks: their bands, the range of their values, and how they are seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instar.core.errors import UserError, setting
from instar.core.formats import FULL, DomainFormat, own_format
from instar.core.raster import LUMA, Array, Picture, Raster, bands_of
from instar.core.samples import WIDE


class OtherBands(UserError):  # noqa: N818 (it is a UserError)
    """A picture whose bands do not serve networks of some channels."""

    def __init__(self, bands: int, channels: int) -> None:
        has = f"{bands} band{'s' * (bands > 1)}"
        super().__init__(
            f"has {has}, where {setting('method.channels', channels)}: train with as many channels as bands"
        )


def like_raster(raster: Raster) -> DomainFormat:
    """Return the format of a raster for which no range is known: floats from 0 to 1, integers as those of 16 bits."""
    own = own_format(raster.pixels.dtype, raster.bands, raster.bands, inverted=raster.inverted)
    if own.type.kind == "f" or own.type in FULL:
        return own
    return replace(own, low=0.0, high=float(min(65535, np.iinfo(own.type).max)))


def as_pillow(raster: Raster) -> Image.Image | None:
    """Return a raster as a PIL image of the same values, if Pillow has a mode for it."""
    pixels = raster.pixels
    gray, deep = pixels.shape[2] == 1, pixels.dtype == np.uint16
    if raster.inverted or raster.bands not in (1, 3) or not (pixels.dtype == np.uint8 or (deep and gray)):
        return None
    image = Image.fromarray(pixels[:, :, 0] if gray else pixels)
    image.info.update(raster.info)
    return image


def plain_values(raster: Raster, channels: int) -> Array:
    """Return the pixels of a raster for which no range is known."""
    found = raster_bands(raster, channels)
    if found.dtype in FULL:
        return np.iinfo(found.dtype).max - found if raster.inverted else found
    own = like_raster(raster)
    low, high = float(raster.pixels.min()), float(raster.pixels.max())
    if not own.low <= low <= high <= own.high:
        kind = "floating-point numbers" if found.dtype.kind == "f" else f"{found.dtype.name} numbers"
        taken = f"without a range only {own.low:g} to {own.high:g} is taken"
        raise UserError(f"holds {kind} from {low:g} to {high:g}; {taken}")
    return own.scaled(found)


def raster_bands(raster: Raster, channels: int) -> NDArray[Any]:
    """Return pixels (H, W, channels) of a raster's own type. Bands that do not fit are an `OtherBands`."""
    found = bands_of(raster, channels)
    if found is None:
        raise OtherBands(raster.bands, channels)
    return found


def image_bands(image: Image.Image, channels: int) -> NDArray[np.uint8]:
    """Return pixels (H, W, channels) of a PIL image of 8 bits, opacity among them, for other channels than 1 and 3."""
    if image.mode in WIDE:
        raise OtherBands(1, channels)
    whole = image if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK") else image.convert("RGB")
    found: NDArray[np.uint8] = np.asarray(whole).reshape(image.height, image.width, -1)
    if found.shape[2] != channels:
        raise OtherBands(found.shape[2], channels)
    return found


def with_bands(unit: NDArray[np.float64], bands: int) -> NDArray[np.float64]:
    """Return (..., C) with the bands of files: networks of three channels make gray of equal ones, and so on."""
    if unit.shape[-1] == bands:
        return unit
    if bands == 1 and unit.shape[-1] == 3:
        gray: NDArray[np.float64] = unit @ np.array(LUMA)[:, None]
        return gray
    return np.repeat(unit[..., :1], bands, axis=-1)


def opacity_of(like: Picture) -> NDArray[Any] | None:
    """Return the opacity (H, W) of a picture in [0, 1], if it has some."""
    if isinstance(like, Raster):
        opacity = like.opacity
        if opacity is None:
            return None
        return opacity / (np.iinfo(opacity.dtype).max if opacity.dtype.kind in "iu" else 1)
    if like.mode in WIDE or not like.has_transparency_data:
        return None
    return np.asarray(like.convert("RGBA").getchannel("A")) / 255


def profile_fits(like: Picture, bands: int) -> bool:
    """Tell whether a colour profile fits a picture of so many bands."""
    if "icc_profile" not in like.info:
        return False
    if isinstance(like, Raster):
        return like.bands == bands
    gray = like.mode in (*WIDE, "1", "L", "LA")
    return bands == (1 if gray else 3) and like.mode != "CMYK"


def seen_raster(raster: Raster, form: DomainFormat | None) -> Image.Image:
    """Return the first three bands of a raster, or the first of two, as 8 bits over the range of a domain."""
    shown = 3 if raster.bands >= 3 else 1
    opaque = bands_of(raster, shown) if raster.bands == shown else None
    values = raster.pixels[:, :, :shown] if opaque is None else opaque
    if form is None or form.plain:
        form = like_raster(raster)
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        if form.type not in FULL and not form.low <= low <= high <= form.high:
            form = replace(form, low=low, high=high if high > low else low + 1)
    pixels = np.rint((form.of_first(shown).scaled(values) + 1) * 127.5).astype(np.uint8)
    return Image.fromarray(pixels if shown == 3 else pixels[:, :, 0])


def as_raster(page: Picture) -> Raster:
    """Return a picture of one array as a raster."""
    if isinstance(page, Raster):
        return page
    if page.mode not in ("L", "LA", "RGB", "RGBA", *WIDE):
        page = page.convert("RGB")
    pixels = np.asarray(page).reshape(page.height, page.width, -1)
    return Raster(pixels, alpha=page.mode in ("LA", "RGBA"), info={str(key): value for key, value in page.info.items()})
