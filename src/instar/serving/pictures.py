"""Images of requests and of answers, in memory: nothing of a client reaches the disk."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

import numpy as np
from PIL import Image

from instar.core.images import viewable
from instar.core.member import Member
from instar.core.modes import fit_for
from instar.core.raster import Picture, Raster
from instar.core.reading import UnreadableImage, probe, read

Format = Literal["png", "jpeg", "webp", "tiff", "npy"]
TYPES: dict[str, str] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "tiff": "image/tiff",
    "npy": "application/x-npy",
}
"""Of answers, by format."""
_OPTIONS: dict[str, dict[str, int]] = {"jpeg": {"quality": 95, "subsampling": 0}, "webp": {"quality": 95}}


class NoImage(Exception):  # noqa: N818
    """The bytes are no image that is read."""


class TooLarge(Exception):  # noqa: N818
    """The image has too many pixels."""


@dataclass(frozen=True)
class Received(Member):
    """A file that came in a request."""

    content: bytes = field(repr=False)

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Return its content."""
        return io.BytesIO(self.content)

    def where(self) -> str:
        """Return nothing: it lies nowhere."""
        return ""


def decoded(content: bytes, most: float) -> Picture:
    """Decode an image upright, by the gate through which files come in.

    Args:
        content: of a file.
        most: pixels.

    Raises:
        NoImage: it is none, damaged, or of a kind that is not read.
        TooLarge: by its header, before anything is decoded.
    """
    if not content:
        raise NoImage("there is no image in the request")
    file = Received(Path(), "image", content)
    try:
        header = probe(file)
        if header.width * header.height > most:
            raise TooLarge(f"{header.width} x {header.height} pixels; at most {most:.0f} are taken")
        return read(file)
    except UnreadableImage as error:
        raise NoImage(f"the image cannot be read: {error.reason}") from error


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
