"""The one gate through which image files come in: the documented formats, within a budget of memory, read right."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from instar.core.errors import UserError
from instar.core.listing import NO_HEIC, is_heic
from instar.core.member import File, Member, size_of
from instar.core.memory import Budget, memory
from instar.core.metadata import remember_tags
from instar.core.samples import WIDE, losses, refusal, sparse, what_is_in

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "JPEG2000", "TIFF", "BMP", "GIF", "PPM")
"""That are opened, whatever a file is called: others start programs, or decoders that few have looked at."""
MAX_PIXELS = 10**9
# Pillow refuses from 0.18 gigapixels on, which scans and satellite images reach.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
# And texts and profiles of a PNG above a megabyte, which editors and generators write.
PngImagePlugin.MAX_TEXT_CHUNK = 2**26
PngImagePlugin.MAX_TEXT_MEMORY = 2**28

BYTES, BYTES_WIDE = 24, 32
"""Of memory for each pixel while an image is decoded and made an array: measured, and rounded up."""
DECODING = Budget(lambda: memory() // 2)
"""Of all threads that decode."""
_NOTES = "instar"
"""In `info` of an image."""


class UnreadableImage(UserError):  # noqa: N818 (it is a UserError)
    """A file that is no image, or only half of one."""

    def __init__(self, path: File, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def read(path: File) -> Image.Image:
    """Decode the first frame of an image file and turn it upright as its EXIF data say.

    16-bit colour files lose their lower 8 bits: Pillow has no mode for them. `notes` says it.

    Raises:
        UnreadableImage: missing, empty, truncated, no image of `FORMATS`, too large, or of numbers that are not read.
    """
    with decoded(path) as image:
        return image


@contextmanager
def decoded(path: File) -> Iterator[Image.Image]:
    """Do what `read` does, and keep the memory reserved in which the image is made something smaller.

    In the context no other image must be read by this thread.
    """
    image = _opened(path)
    with DECODING.reserved(_bytes(image)):
        try:
            upright = _loaded(path, image)
        finally:
            image.close()  # with its pixels, of which `upright` is a copy
        yield upright


def probe(path: File) -> tuple[int, int, bool]:
    """Return upright width, height and whether it is a 16-bit image, from the file's header only.

    Raises:
        UnreadableImage: no header. The pixels after a good header may still turn out broken.
    """
    with _opened(path) as image:
        try:
            # The size of a TIFF is upright already, and for the EXIF block of a PNG its pixels must be decoded.
            turned = image.format in ("JPEG", "MPO", "WEBP") and image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        except Exception as error:  # as in `_opened`
            raise UnreadableImage(path, _reason(path, error)) from error
        width, height = image.size[::-1] if turned else image.size
        return width, height, image.mode in WIDE


def notes(image: Image.Image) -> tuple[str, ...]:
    """Return what of its file an image from `read` lacks, in words."""
    found: tuple[str, ...] = image.info.get(_NOTES, ())
    return found


def header_notes(path: File) -> tuple[str, ...]:
    """Return what `read` would not read of a file, as far as its header tells; nothing if it cannot be read."""
    try:
        with _opened(path) as image:
            return tuple(losses(path, image))
    except Exception:  # as in `_opened`; who reads the file says why
        return ()


def summed(found: Iterable[tuple[str, Iterable[str]]]) -> list[str]:
    """Return a line for each word of `notes`, with the number of files and the first of them.

    Args:
        found: names of files, each with its words.
    """
    by_word: dict[str, list[str]] = {}
    for name, words in found:
        for word in words:
            by_word.setdefault(word, []).append(name)
    return [f"{word}: {len(names)} image{'s' * (len(names) > 1)}, {names[0]} first" for word, names in by_word.items()]


def _opened(path: File) -> Image.Image:
    """Open a file that may be read. Its pixels are not decoded yet."""
    try:
        image = Image.open(_content(path), formats=FORMATS)
    except UnreadableImage:
        raise
    except Exception as error:  # broken files make Pillow's decoders raise nearly anything
        raise UnreadableImage(path, _reason(path, error)) from error
    try:
        why = _too_large(image) or refusal(image)
    except Exception as error:
        why = _reason(path, error)
    if why:
        image.close()
        raise UnreadableImage(path, why)
    return image


def _content(path: File) -> Path | IO[bytes]:
    if isinstance(path, Member):
        return path.open()
    if not stat.S_ISREG(path.stat().st_mode):
        raise UnreadableImage(path, "not a regular file")
    return path


def _loaded(path: File, image: Image.Image) -> Image.Image:
    try:
        said = losses(path, image)
        image.load()
        upright = ImageOps.exif_transpose(image)
        remember_tags(image, upright)
        unfit = _unfit(upright)
        said += [word for word in [sparse(upright)] if word]
    except Exception as error:  # as in `_opened`
        raise UnreadableImage(path, _reason(path, error)) from error
    if unfit:
        raise UnreadableImage(path, unfit)
    if said:
        upright.info[_NOTES] = tuple(said)
    return upright


def _unfit(image: Image.Image) -> str:
    """Return why the values of an image of 32 bits fit no range."""
    top = {"I": 65535, "F": 1}.get(image.mode)
    if top is None:
        return ""
    values = np.asarray(image)
    low, high = values.min(), values.max()
    if low >= 0 and high <= top:
        return ""
    kind = "32-bit integers" if image.mode == "I" else "floating-point numbers"
    return f"holds {kind} from {low:g} to {high:g}; only 0 to {top} is read"


def _too_large(image: Image.Image) -> str:
    if image.width * image.height > MAX_PIXELS:
        return f"{image.width} x {image.height} pixels; at most a gigapixel is read"
    needed, there = _bytes(image), DECODING.total()
    if needed > there:
        size = f"{image.width} x {image.height} pixels"
        return (
            f"{size} need {needed / 1e9:.1f} GB to be read; {there / 1e9:.1f} GB are there for it, half of all memory"
        )
    return ""


def _bytes(image: Image.Image) -> int:
    return image.width * image.height * (BYTES_WIDE if image.mode in WIDE else BYTES)


def _reason(path: File, error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return "more than a gigapixel"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, UnidentifiedImageError) and is_heic(path):
        return NO_HEIC
    if isinstance(error, UnidentifiedImageError):
        return what_is_in(path) or ("not an image" if size_of(path) else "the file is empty")
    words = (getattr(error, "strerror", None) or str(error) or type(error).__name__).split()
    return " ".join(words)
