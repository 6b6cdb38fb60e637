"""What the numbers in an image file are: what Pillow would read as another picture, and what it cannot keep."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin

from instar.core.member import File

WIDE = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I", "F"})
"""Pillow's modes of more than 8 bits."""
READ = "only gray, gray with alpha, RGB, RGBA, CMYK and palettes are read"
_BITS, _PHOTOMETRIC, _SAMPLES, _EXTRA, _FORMAT, _DESCRIPTION = 258, 262, 277, 338, 339, 270  # tags of TIFF 6.0
_KINDS = {1: "unsigned integers", 2: "signed integers", 3: "floating-point numbers"}
_SPARSE = 1 / 8
"""Share of the range below which values are said to use little of it: 12 bits in 16 use a sixteenth."""
_HEAD = 4096
"""Bytes in which the header of a file is looked for."""


def refusal(image: Image.Image) -> str:
    """Return why Pillow would read another picture than the file holds; nothing if it would not.

    Args:
        image: opened, not loaded.
    """
    tags = getattr(image, "tag_v2", None)
    if image.format != "TIFF" or tags is None:
        return ""
    bands = int(tags.get(_SAMPLES, 1))
    if bands > len(image.getbands()):
        return f"{bands} bands of {_bits(tags)} bits: {READ}"
    if 2 in tags.get(_FORMAT, ()) and _bits(tags) == 8:
        return "signed 8-bit integers: only 0 to 255 is read"
    if tags.get(_PHOTOMETRIC) == 0 and image.mode in WIDE:
        return f"{_bits(tags)}-bit values of which 0 is white: only those of which 0 is black are read"
    return ""


def what_is_in(path: File) -> str:
    """Return what a TIFF holds that Pillow has no mode for; nothing if it is none."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
            if head[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
                return ""
            tags = TiffImagePlugin.ImageFileDirectory_v2(head if b"+" in head[:4] else head[:8])
            file.seek(tags.next)
            tags.load(file)
        kind = _KINDS.get(int(tags.get(_FORMAT, (1,))[0]), "numbers of another kind")
        bands = int(tags.get(_SAMPLES, 1))
        said = f"{bands} band{'s' * (bands > 1)} of {_bits(tags)}-bit {kind}"
    except Exception:  # broken files make the parser raise nearly anything
        return ""
    return f"{said}: {READ}, of 8 bits; gray also of 16 bits, and as floats of 32 bits"


def losses(path: File, image: Image.Image) -> list[str]:
    """Return what of a file is not read, in words.

    Args:
        path: of the file.
        image: opened, not loaded.
    """
    found = []
    bits = _depth(path, image)
    if bits > 8 and image.mode not in WIDE:
        found.append(f"{bits} bits a channel, read with 8")
    pages = _pages(image)
    if pages:
        found.append(pages)
    if image.mode in WIDE and "transparency" in image.info:
        found.append("a transparent colour, read as opaque")
    elif image.mode in ("L", "RGB") and "transparency" in image.info:
        found.append("a transparent colour, over white for the model, an alpha channel in results")
    return found


def sparse(image: Image.Image) -> str:
    """Return a word if a loaded image of more than 8 bits uses little of its range; nothing otherwise."""
    if image.mode not in WIDE:
        return ""
    highest = float(np.asarray(image).max()) / (1 if image.mode == "F" else 65535)
    if not 0 < highest < _SPARSE:
        return ""
    return f"all values lie in the lowest {'sixteenth' if highest < _SPARSE / 2 else 'eighth'} of the range, near black"


def _bits(tags: Any) -> int:
    return max(int(bits) for bits in tags.get(_BITS, (1,)))


def _depth(path: File, image: Image.Image) -> int:
    """Return the bits of a channel in the file, as far as they differ from those that are read."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else None
    if image.format == "PNG":
        return 16 if isinstance(arguments, str) and ";16" in arguments else 8
    if image.format == "TIFF":
        return _bits(image.tag_v2)  # type: ignore[attr-defined]
    if image.format == "PPM" and isinstance(arguments, tuple) and isinstance(arguments[-1], int):
        return 16 if arguments[-1] > 255 else 8
    if image.format in ("JPEG2000", "AVIF"):
        with path.open("rb") as file:
            return _depth_in(file.read(_HEAD))
    return 8


def _depth_in(head: bytes) -> int:
    """Return the bits of a channel from the headers of JPEG 2000 (ihdr or SIZ) and of AVIF (av1C)."""
    if found := re.search(rb"ihdr.{10}(.)", head, re.DOTALL):
        return (found[1][0] & 0x7F) + 1
    if found := re.search(rb"\xff\x4f\xff\x51.{38}(.)", head, re.DOTALL):
        return (found[1][0] & 0x7F) + 1
    if found := re.search(rb"av1C..(.)", head, re.DOTALL):
        return (12 if found[1][0] & 0x20 else 10) if found[1][0] & 0x40 else 8
    return 8


def _pages(image: Image.Image) -> str:
    if image.format == "GIF":  # counting needs all of it
        return "an animation, of which the first frame is read" if getattr(image, "is_animated", False) else ""
    pages = int(getattr(image, "n_frames", 1))
    return f"{pages} pages or frames, of which the first is read" if pages > 1 else ""
