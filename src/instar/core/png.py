"""PNG files of 16 bits a channel in colour, or in gray with opacity, for which Pillow has no mode."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from instar.core.files import open_new
from instar.core.raster import Raster, upright

_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}
"""Colour types of PNG by bands, opacity included."""
_LEVEL, _ORIENTATION = 6, 0x0112


def is_deep(image: Image.Image) -> bool:
    """Tell whether Pillow would drop the lower bytes of an opened PNG."""
    rawmode = _rawmode(image)
    return image.format == "PNG" and rawmode.endswith(";16B") and rawmode != "I;16B"


def bands(image: Image.Image) -> tuple[int, bool]:
    """Return the bands of a deep PNG without opacity, and whether it has some."""
    return {"LA;16B": (1, True), "RGB;16B": (3, False)}.get(_rawmode(image), (3, True))


def read(image: Image.Image, again: Image.Image) -> Raster:
    """Return the pixels of a deep PNG, turned upright: Pillow decodes it twice, each byte of a value once.

    Args:
        image: opened, not loaded; of no use afterwards.
        again: the same, opened once more.
    """
    rawmode, (_, alpha) = _rawmode(image), bands(image)
    if rawmode == "LA;16B":  # as four bytes a pixel
        four = _decoded(image, "RGBA", "RGBA").astype(np.uint16)
        pixels = four[:, :, ::2] << 8 | four[:, :, 1::2]
    else:
        high = _decoded(image, image.mode, rawmode)
        low = _decoded(again, image.mode, rawmode.replace(";16B", ";16L"))
        pixels = high.astype(np.uint16) << 8 | low
    exif, info = image.getexif(), {str(key): value for key, value in image.info.items()}
    orientation = exif.get(_ORIENTATION, 1)
    if orientation != 1:
        del exif[_ORIENTATION]
        info["exif"] = exif.tobytes()
    return Raster(upright(pixels, orientation), alpha=alpha, info=info)


def write(raster: Raster, path: Path, options: dict[str, Any]) -> None:
    """Write pixels (H, W, 1 to 4) uint16 as a new file.

    Args:
        raster: with opacity if it has 2 or 4 bands.
        path: where nothing is.
        options: of Pillow for PNG files: icc_profile, exif, dpi.
    """
    with open_new(path) as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        height, width, count = raster.pixels.shape
        head = struct.pack(">IIBBBBB", width, height, 16, _COLOURS[count], 0, 0, 0)
        PngImagePlugin.putchunk(file, b"IHDR", head)
        if profile := options.get("icc_profile"):
            PngImagePlugin.putchunk(file, b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile, _LEVEL))
        if dpi := options.get("dpi"):
            across, down = (round(float(one) / 0.0254) for one in dpi)
            PngImagePlugin.putchunk(file, b"pHYs", struct.pack(">IIB", across, down, 1))
        if exif := options.get("exif"):
            PngImagePlugin.putchunk(file, b"eXIf", exif.removeprefix(b"Exif\0\0"))
        PngImagePlugin.putchunk(file, b"IDAT", zlib.compress(_filtered(raster.pixels), _LEVEL))
        PngImagePlugin.putchunk(file, b"IEND", b"")


def _rawmode(image: Image.Image) -> str:
    tiles: Any = getattr(image, "tile", None)
    return str(tiles[0][3]) if tiles else ""


def _decoded(image: Image.Image, mode: str, rawmode: str) -> NDArray[np.uint8]:
    plain: Any = image
    plain._mode = mode
    plain.tile = [one._replace(args=rawmode) for one in plain.tile]
    return np.asarray(plain)


def _filtered(pixels: NDArray[np.uint16]) -> bytes:
    """Return rows as PNG compresses them best of what is quick: each as its difference to the one above."""
    height = pixels.shape[0]
    rows = np.ascontiguousarray(pixels, ">u2").reshape(height, -1).view(np.uint8)
    found = np.empty((height, rows.shape[1] + 1), np.uint8)
    found[:, 0] = 2  # "up"
    found[0, 1:] = rows[0]
    found[1:, 1:] = rows[1:] - rows[:-1]
    return found.tobytes()
