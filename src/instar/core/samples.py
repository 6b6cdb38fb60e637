"""What the numbers in an image file are: what Pillow would read as another picture, and what it cannot keep."""

from __future__ import annotations

import re
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from instar.core.member import File

WIDE = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I", "F"})
"""Pillow's modes of more than 8 bits."""
_BITS, _PHOTOMETRIC, _DESCRIPTION, _SAMPLES, _FORMAT = 258, 262, 270, 277, 339  # tags of TIFF 6.0
_GRAY_OR_RGB = (0, 1, 2)
"""Photometric interpretations of TIFF: 0 is white, 0 is black, colours."""
_SPARSE = 1 / 8
"""Share of the range below which values are said to use little of it: 12 bits in 16 use a sixteenth."""
_LOWEST = "all values lie in the lowest"
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
        return f"{bands} bands"
    if 2 in tags.get(_FORMAT, ()) and _bits(tags) == 8:
        return "signed 8-bit integers"
    if tags.get(_PHOTOMETRIC) == 0 and image.mode in WIDE:
        return f"{_bits(tags)}-bit values of which 0 is white"
    return ""


def too_deep(image: Image.Image) -> bool:
    """Tell whether Pillow would drop bits of an opened TIFF, or whether its numbers have no range of their own."""
    if image.format != "TIFF":
        return False
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    deep = _bits(tags) > 8 and image.mode not in WIDE and tags.get(_PHOTOMETRIC) in _GRAY_OR_RGB
    return deep or image.mode in ("I", "F")


def is_described(image: Image.Image) -> bool:
    """Tell whether an opened TIFF says itself which of its pages are bands: OME-TIFF, and ImageJ's stacks."""
    if image.format != "TIFF" or int(getattr(image, "n_frames", 1)) == 1:
        return False
    said = str(image.tag_v2.get(_DESCRIPTION, ""))  # type: ignore[attr-defined]
    return said.startswith("ImageJ=") or "<OME " in said


def is_tiff(path: File) -> bool:
    """Tell whether a file is a TIFF by its first bytes."""
    with path.open("rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def losses(path: File, image: Image.Image, *, pages: bool = True) -> list[str]:
    """Return what of a file is not read, in words.

    Args:
        path: of the file.
        image: opened, not loaded.
        pages: whether further pages are among what is lost.
    """
    found = []
    bits = _depth(path, image)
    if bits > 8 and image.mode not in WIDE:
        found.append(f"{bits} bits a channel, read with 8")
    if not pages:
        pass
    elif image.format == "GIF":  # counting needs all of it
        found += ["an animation, of which the first frame is read"] * bool(getattr(image, "is_animated", False))
    else:
        found += pages_lost(int(getattr(image, "n_frames", 1)))
    if image.mode in WIDE and "transparency" in image.info:
        found.append("a transparent colour, read as opaque")
    elif image.mode in ("L", "RGB") and "transparency" in image.info:
        found.append("a transparent colour, over white for the model, an alpha channel in results")
    return found


def pages_lost(count: int) -> list[str]:
    """Return a word for the pages of a file that are not read, if there are some."""
    return [f"{count} pages or frames, of which the first is read"] if count > 1 else []


def sparse(values: NDArray[Any]) -> str:
    """Return a word if unsigned 16-bit values, or floats that may go up to 1, use little of that; nothing otherwise."""
    if values.dtype.kind != "f" and values.dtype.itemsize == 1:
        return ""
    highest = float(values.max()) / (1 if values.dtype.kind == "f" else 65535)
    if not 0 < highest < _SPARSE or values.min() < 0:  # below 0 the range is another one
        return ""
    return f"{_LOWEST} {'sixteenth' if highest < _SPARSE / 2 else 'eighth'} of the range, near black"


def is_sparse(word: str) -> bool:
    """Tell whether a word is one of `sparse`."""
    return word.startswith(_LOWEST)


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
