"""The one gate through which image files come in: the documented formats, within a budget of memory, read right."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import clear_frames
from typing import IO, Any, Protocol

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from instar.core import dicom, nifti, npy, png, tiff
from instar.core.errors import UserError
from instar.core.heic import NO_HEIC, formats, is_heic, is_installed
from instar.core.member import File, Member, size_of
from instar.core.memory import Budget, give_back_freed_memory, memory
from instar.core.metadata import remember_tags
from instar.core.raster import Header, Picture, Raster
from instar.core.samples import WIDE, is_described, is_tiff, losses, pages_lost, refusal, sparse, too_deep

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
COPIES = 4
"""Of the pixels of a raster that are in memory meanwhile."""
DECODING = Budget(lambda: memory() // 2, shared=2 * 2**30)
"""Of all threads that decode."""
LARGE = 2**30
"""Bytes for which freed memory is given back first: what another thread has freed lies where this one cannot use it."""
LETTING_GO = 0.05
"""Seconds in which the one who reserved memory before has let go of what he made in it."""
_NOTES = "instar"
"""In `info` of an image."""


class HasInfo(Protocol):
    """A picture, or pages of which the first one says what holds of all."""

    @property
    def info(self) -> dict[Any, Any]:
        """What is known of it."""


class UnreadableImage(UserError):  # noqa: N818 (it is a UserError)
    """A file that is no image, or only half of one."""

    def __init__(self, path: File, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def read(path: File, page: int | None = None) -> Picture:
    """Decode a page of an image file and turn it upright as its EXIF data say.

    What Pillow holds is a PIL image; bands beyond colours, deep colours, signed numbers, 32 bits and floats are a
    `Raster`. `notes` says what is lost.

    Args:
        path: of the file.
        page: number of the page or frame, from 0; the first if None, and then further ones are said to be lost.

    Raises:
        UnreadableImage: missing, empty, truncated, no image of `FORMATS`, too large, or of numbers that are not read.
    """
    with decoded(path, page) as image:
        return image


@contextmanager
def decoded(path: File, page: int | None = None) -> Iterator[Picture]:
    """Do what `read` does, and keep the memory reserved in which the image is made something smaller.

    In the context no other image must be read by this thread.
    """
    image = _opened(path, page)
    needed = bytes_to_read(_header(path, image))
    with DECODING.reserved(needed):
        if needed >= LARGE:
            time.sleep(LETTING_GO)
            give_back_freed_memory()
        try:
            upright = _raster(path, image, page) if isinstance(image, Header) else _loaded(path, image, page)
        except UnreadableImage as error:
            _let_go(error)
            raise
        finally:
            if isinstance(image, Image.Image):
                image.close()  # with its pixels, of which `upright` is a copy
        yield upright


def probe(path: File, page: int | None = None) -> Header:
    """Return what the header of a file says of a page, by default of the first, turned upright.

    Raises:
        UnreadableImage: no header. The pixels after a good header may still turn out broken.
    """
    image = _opened(path, page)
    if isinstance(image, Header):
        return image
    with image:
        return _header(path, image)


def page_count(path: File) -> int:
    """Return how many pages or frames a file has.

    Raises:
        UnreadableImage: as `probe`.
    """
    image = _opened(path)
    if isinstance(image, Header):
        return image.pages
    with image:
        try:
            return int(getattr(image, "n_frames", 1))
        except Exception as error:  # as in `_opened`
            raise UnreadableImage(path, _reason(path, error)) from error


def notes(image: HasInfo) -> tuple[str, ...]:
    """Return what of its file a picture from `read` lacks, in words."""
    found: tuple[str, ...] = image.info.get(_NOTES, ())
    return found


def add_note(image: HasInfo, word: str) -> None:
    """Let `notes` of a picture say one thing more."""
    image.info[_NOTES] = (*notes(image), word)


def header_notes(path: File) -> tuple[str, ...]:
    """Return what `read` would not read of a file, as far as its header tells; nothing if it cannot be read."""
    try:
        image = _opened(path)
        if isinstance(image, Header):
            return tuple(pages_lost(image.pages))
        with image:
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


def _opened(path: File, page: int | None = None) -> Image.Image | Header:
    """Open a file at a page; of what Pillow has no mode for return the header. No pixels are decoded yet."""
    try:
        content = _content(path)
        if kind := _kind(path):
            return _fitting(path, kind.header(content, page or 0))
        image = Image.open(content, formats=(*FORMATS, *formats()))
    except UnidentifiedImageError as error:
        if not is_tiff(path):
            raise UnreadableImage(path, _reason(path, error)) from error
        return _fitting(path, _raster_header(path, page))
    except UnreadableImage:
        raise
    except Exception as error:  # broken files make Pillow's decoders raise nearly anything
        raise UnreadableImage(path, _reason(path, error)) from error
    try:
        found = _deeper(path, image, page)
        if found is None:
            _turn_to(path, image, page)
            _fitting(path, _header(path, image))
            return image
    except BaseException:
        image.close()
        raise
    image.close()
    return _fitting(path, found)


class Kind(Protocol):
    """A module that reads a kind of files that Pillow does not."""

    def header(self, path: Any, number: int = 0) -> Header:
        """Return what a file, by its path or opened, says of a page."""

    def read(self, path: Any, number: int = 0) -> Raster:
        """Decode a page."""


def _kind(path: File) -> Kind | None:
    """Return what reads a file that is neither Pillow's nor a TIFF."""
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz"):
        return npy
    if isinstance(path, Path) and nifti.is_nifti(path):
        return nifti
    return dicom if suffix == ".dcm" and dicom.is_dicom(path) else None


def _content(path: File) -> Path | IO[bytes]:
    if isinstance(path, Member):
        return path.open()
    if not stat.S_ISREG(path.stat().st_mode):
        raise UnreadableImage(path, "not a regular file")
    return path


def _turn_to(path: File, image: Image.Image, page: int | None) -> None:
    try:
        if page:
            image.seek(page)
    except Exception as error:  # as in `_opened`
        last = isinstance(error, EOFError)
        raise UnreadableImage(path, f"it has no page {(page or 0) + 1}" if last else _reason(path, error)) from error


def _deeper(path: File, image: Image.Image, page: int | None) -> Header | None:
    """Return the header of a picture of which Pillow would drop or change something; None of others."""
    try:
        if png.is_deep(image):
            bands, alpha = png.bands(image)
            return Header(*image.size, bands=bands, dtype="uint16", plain=False, alpha=alpha)
        unread, described = refusal(image), is_described(image)
        if not unread and not described and not too_deep(image):
            return None
    except Exception as error:  # as in `_opened`
        raise UnreadableImage(path, _reason(path, error)) from error
    try:
        header = _raster_header(path, page)
    except UnreadableImage:
        if unread:
            raise
        return None  # Pillow reads some of it
    return None if described and not unread and header.bands == 1 else header


def _raster_header(path: File, page: int | None) -> Header:
    try:
        return tiff.header(_content(path), page or 0)
    except Exception as error:  # whatever the library makes of bytes that could be anything
        raise UnreadableImage(path, _reason(path, error)) from error


def _header(path: File, image: Image.Image | Header) -> Header:
    if isinstance(image, Header):
        return image
    try:
        # The size of a TIFF is upright already, and for the EXIF block of a PNG its pixels must be decoded.
        turned = image.format in ("JPEG", "MPO", "WEBP") and image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        width, height = image.size[::-1] if turned else image.size
        gray = image.mode in (*WIDE, "1", "L", "LA")
        return Header(
            width,
            height,
            bands=1 if gray else 3,
            dtype="uint16" if image.mode in WIDE else "uint8",
            alpha=image.has_transparency_data and image.mode not in WIDE,
        )
    except Exception as error:  # as in `_opened`
        raise UnreadableImage(path, _reason(path, error)) from error


def _fitting(path: File, header: Header) -> Header:
    """Refuse what has no pixels, and what is too large."""
    if not header.width * header.height:
        raise UnreadableImage(path, f"{header.width} x {header.height} pixels: it holds no picture")
    if why := too_large(header):
        raise UnreadableImage(path, why)
    return header


def _raster(path: File, header: Header, page: int | None) -> Raster:
    try:
        kind = tiff if is_tiff(path) else _kind(path)
        if kind:
            raster = kind.read(_content(path), page or 0)
        else:
            with Image.open(_content(path), formats=FORMATS) as image, Image.open(_content(path)) as again:
                raster = png.read(image, again)
        said = [*(pages_lost(header.pages) if page is None else ()), *filter(None, [sparse(raster.pixels)])]
        if raster.pixels.dtype.kind == "f" and not np.isfinite(raster.pixels).all():
            said.append("values that are no numbers, taken as the lowest")
    except Exception as error:  # as in `_opened`
        raise UnreadableImage(path, _reason(path, error)) from error
    if said:
        raster.info[_NOTES] = tuple(said)
    return raster


def _loaded(path: File, image: Image.Image, page: int | None) -> Image.Image:
    try:
        said = losses(path, image, pages=page is None)
        image.load()
        upright = ImageOps.exif_transpose(image)
        remember_tags(image, upright)
        unfit = _unfit(upright)
        if upright.mode in WIDE:
            said += filter(None, [sparse(np.asarray(upright))])
    except Exception as error:  # as in `_opened`
        raise UnreadableImage(path, _reason(path, error)) from error
    if unfit:
        raise UnreadableImage(path, unfit)
    if said:
        upright.info[_NOTES] = tuple(said)
    return upright


def _let_go(error: UnreadableImage) -> None:
    """Free what the frames of an error hold: whoever keeps it, to name it later, would keep pixels, too."""
    for one in (error, error.__cause__):
        if one:
            clear_frames(one.__traceback__)


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


def too_large(header: Header) -> str:
    """Return why a file is not read as a whole, if it is too large for that."""
    size = f"{header.width} x {header.height} pixels"
    if header.width * header.height > MAX_PIXELS:
        return f"{size}; at most a gigapixel is read"
    needed, there = bytes_to_read(header), DECODING.total()
    if needed > there:
        return (
            f"{size} need {needed / 1e9:.1f} GB to be read; {there / 1e9:.1f} GB are there for it, half of all memory"
        )
    return ""


def bytes_to_read(header: Header) -> int:
    """Return how much memory is taken while a file is read as a whole."""
    if header.plain:
        each = BYTES_WIDE if header.wide else BYTES
    else:
        each = max(BYTES_WIDE, COPIES * (header.bands + header.alpha) * np.dtype(header.dtype).itemsize)
    return header.width * header.height * each


def _reason(path: File, error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return "more than a gigapixel"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, UnidentifiedImageError) and is_heic(path) and not is_installed():
        return NO_HEIC
    if isinstance(error, UnidentifiedImageError):
        return "not an image" if size_of(path) else "the file is empty"
    words = (getattr(error, "strerror", None) or str(error) or type(error).__name__).split()
    return " ".join(words)
