"""Which kinds of images a file format holds, and what becomes of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from instar.core.dicom_writing import stored_as
from instar.core.formats import FULL
from instar.core.images import to_array, viewable
from instar.core.listing import READ_ONLY, suffix_of
from instar.core.metadata import DICOM, format_of, is_named, pass_on
from instar.core.raster import Picture, Raster
from instar.core.rasters import as_raster
from instar.core.samples import WIDE

_NAMED = ("L", "RGB", "I;16")
"""Modes whose bands OME-TIFFs say something of."""
HELD = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I;16B"),
    "WEBP": ("RGB", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
    "JPEG2000": ("L", "LA", "RGB", "RGBA", "I;16"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16", "I;16B", "F"),
    "BMP": ("1", "L", "P", "RGB"),
    "GIF": ("1", "L", "P"),
    "PPM": ("1", "L", "RGB", "I", "I;16"),
    "DICOM": ("L", "RGB", "I;16"),
}
"""Modes of Pillow that come back as they were written."""
INVERTED = ("TIFF", "DICOM")
"""Formats in which 0 may be white."""
ARRAYS = frozenset({".npy", ".npz"})
"""Suffixes of NumPy's files, which hold any values."""


def holds(path: Path, bands: int, dtype: np.dtype[Any]) -> bool:
    """Tell whether the format of the path's suffix holds values of a type in so many bands, opacity not counted."""
    kind = format_of(path)
    if kind == "DICOM":
        return bands == 1 or (bands == 3 and dtype == np.uint8)
    if kind == "TIFF" or path.suffix.lower() in ARRAYS:
        return True
    if bands not in (1, 3) or dtype not in FULL:
        return False
    return dtype == np.uint8 or kind == "PNG" or (bands == 1 and "I;16" in HELD.get(kind, ()))


def fit_for(image: Picture, path: Path) -> tuple[Picture, tuple[str, ...]]:
    """Return a picture in a mode that the format of the path's suffix holds, and what that changes, in words.

    Transparent pixels are laid over white where the format knows no transparency, 16 bits become 8.
    """
    kind = format_of(path)
    if suffix_of(path) in ARRAYS or suffix_of(path) in READ_ONLY:  # volumes are written whole
        return image, ()
    if isinstance(image, Raster):
        if holds(path, image.bands, image.pixels.dtype) and not (image.inverted and kind not in INVERTED):
            return image, rounded(image) if kind == "DICOM" else ()
        seen = viewable(image)
        pass_on(image, seen)
        fitted, words = fit_for(seen, path)
        return fitted, (f"{image.mode} saved as {fitted.mode}, for {path.suffix} files hold no {image.mode}", *words)
    if image.mode in _NAMED and is_named(image, path):
        return as_raster(image), ()
    held = HELD.get(kind, (image.mode,))
    if image.mode in held:
        return image, ()
    fitted = _in(image, held)
    profile = image.info.get("icc_profile")
    fitted.info = {"icc_profile": profile} if profile and _same_space(image, fitted) else {}
    pass_on(image, fitted)
    return fitted, (f"{image.mode} saved as {fitted.mode}, for {path.suffix} files hold no {image.mode}",)


def rounded(image: Raster) -> tuple[str, ...]:
    """Return in words whether the values of a picture are rounded in a DICOM file."""
    origin = image.info.get(DICOM)
    if not origin or stored_as(image.pixels[None], origin).exact:
        return ()
    return ("values rounded to 65,536 steps of their range, for .dcm files hold integers of 16 bits",)


def _in(image: Image.Image, held: tuple[str, ...]) -> Image.Image:
    if image.mode in WIDE:
        wide = to_array(image, 1)[:, :, 0]
        if "I;16" in held:
            return Image.fromarray(wide)
        gray = Image.fromarray(np.rint(wide / 257).astype(np.uint8))
        return gray if "L" in held else gray.convert("RGB")
    see_through = image.has_transparency_data
    if see_through and "RGBA" in held:
        return image.convert("RGBA")
    if "RGB" not in held:  # GIF
        return image.convert("RGBA" if see_through else "RGB").quantize(256)
    plain = Image.fromarray(to_array(image, 3)) if see_through else image.convert("RGB")
    return plain.convert("L") if image.mode in ("1", "L", "LA") and "L" in held else plain


def _same_space(image: Image.Image, fitted: Image.Image) -> bool:
    """Tell whether a colour profile still fits: those of CMYK and of gray are of no use to RGB."""

    def space(mode: str) -> str:
        return "CMYK" if mode == "CMYK" else "gray" if mode in (*WIDE, "1", "L", "LA") else "RGB"

    return space(image.mode) == space(fitted.mode)
