"""Which kinds of images a file format holds, and what becomes of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from instar.core.images import to_array
from instar.core.metadata import pass_on
from instar.core.samples import WIDE

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
}
"""Modes of Pillow that come back as they were written."""


def fit_for(image: Image.Image, path: Path) -> tuple[Image.Image, tuple[str, ...]]:
    """Return an image in a mode that the format of the path's suffix holds, and what that changes, in words.

    Transparent pixels are laid over white where the format knows no transparency, 16 bits become 8.
    """
    kind = Image.registered_extensions().get(path.suffix.lower(), "")
    held = HELD.get(kind, (image.mode,))
    if image.mode in held:
        return image, ()
    fitted = _in(image, held)
    profile = image.info.get("icc_profile")
    fitted.info = {"icc_profile": profile} if profile and _same_space(image, fitted) else {}
    pass_on(image, fitted)
    return fitted, (f"{image.mode} saved as {fitted.mode}, for {path.suffix} files hold no {image.mode}",)


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
