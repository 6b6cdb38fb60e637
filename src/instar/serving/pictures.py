"""Images of requests and of answers, in memory: nothing of a client reaches the disk."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from instar.core.images import viewable
from instar.core.modes import fit_for
from instar.core.raster import Picture, Raster
from instar.core.samples import refusal

READ = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
Format = Literal["png", "jpeg", "webp", "tiff", "npy"]
TYPES: dict[str, str] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "tiff": "image/tiff",
    "npy": "application/x-npy",
}
"""Of answers, by format."""
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16")
_OPTIONS: dict[str, dict[str, int]] = {"jpeg": {"quality": 95, "subsampling": 0}, "webp": {"quality": 95}}


class NoImage(Exception):  # noqa: N818
    """The bytes are no image that is read."""


class TooLarge(Exception):  # noqa: N818
    """The image has too many pixels."""


def decoded(content: bytes, most: float) -> Image.Image:
    """Decode an image upright.

    Args:
        content: of a file.
        most: pixels.

    Raises:
        NoImage: it is none of `READ`, damaged, or of a kind that is not read.
        TooLarge: by its header, before anything is decoded.
    """
    if not content:
        raise NoImage("there is no image in the request")
    try:
        image = Image.open(io.BytesIO(content), formats=READ)
        pixels = image.width * image.height
    except Exception as error:  # broken files make Pillow raise nearly anything
        raise NoImage(f"this is no image of the formats {', '.join(READ)}") from error
    if pixels > most:
        raise TooLarge(f"{image.width} x {image.height} pixels; at most {most:.0f} are taken")
    try:
        why = refusal(image)
        image.load()
        upright = ImageOps.exif_transpose(image)
    except Exception as error:
        raise NoImage("this image is damaged") from error
    if why or upright.mode not in _MODES:
        raise NoImage(why or f"images of mode {upright.mode} are not taken")
    return upright


def encoded(image: Picture, kind: Format) -> bytes:
    """Return an image as a file, or as an array (H, W, C); what a format cannot hold is converted.

    Bands, depths and floats that Pillow has no mode for stay as they are in an array, and are seen at 8 bits in files.
    """
    file = io.BytesIO()
    if kind == "npy":
        pixels = image.pixels if isinstance(image, Raster) else np.asarray(viewable(image))
        np.save(file, pixels if pixels.ndim == 3 else pixels[:, :, None], allow_pickle=False)
    else:
        fitted, _ = fit_for(viewable(image) if isinstance(image, Raster) else image, Path(f"answer.{kind}"))
        assert isinstance(fitted, Image.Image)
        options = {"icc_profile": fitted.info.get("icc_profile"), **_OPTIONS.get(kind, {})}
        fitted.save(file, kind.upper(), **options)
    return file.getvalue()
