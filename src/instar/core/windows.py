"""Parts of pictures, read from and written into files without the rest: neither is ever in memory as a whole."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tifffile import PHOTOMETRIC, TiffFile, TiffWriter
from typing_extensions import Self

from instar.core import npy, ome, tiff
from instar.core.member import File
from instar.core.metadata import CHANNELS
from instar.core.raster import Header, NotRead, Picture, Raster
from instar.core.rasters import as_pillow, as_raster
from instar.core.samples import is_tiff

MOST_BYTES = 2**26
"""Of a strip or tile that is decoded as a whole."""
CACHED_BYTES = 2**26
"""Of decoded strips and tiles that are kept for the next window."""
LARGE_FILE = 2**26
"""Bytes from which on a file may be too large to be read as a whole."""
SIDE = 256
"""Of the tiles that are written."""
_MODES = {
    ("uint8", 1, False): "L",
    ("uint8", 3, False): "RGB",
    ("uint8", 3, True): "RGBA",
    ("uint16", 1, False): "I;16",
}
"""What Pillow reads, by type, bands and opacity; other pictures are rasters, but of 8 bits only from five bands on."""
_UNASSOCIATED = 2
"""Kind of an extra band: opacity that colours were not multiplied with."""


def open_windows(path: File, number: int = 0) -> TiffWindows | None:
    """Open a page of a TIFF, of which windows are what `reading.read` would read; None where that must be read whole.

    Args:
        path: of the file.
        number: of the page, from 0.
    """
    if not isinstance(path, Path):
        return None
    try:
        return TiffWindows(path, number) if is_tiff(path) else None
    except Exception:  # broken files raise nearly anything; who reads the file whole says why
        return None


def open_parts(path: File, number: int = 0) -> TiffWindows | ArrayWindows | None:
    """Do what `open_windows` does, for NumPy files too."""
    if not isinstance(path, Path) or path.suffix.lower() != ".npy":
        return open_windows(path, number)
    try:
        return ArrayWindows(path, number)
    except Exception:  # as in `open_windows`
        return None


class TiffWindows:
    """A page of a TIFF whose strips or tiles are decoded when they are asked for.

    Attributes:
        header: what the file says of the page.
        info: as of a picture.
    """

    def __init__(self, path: Path, number: int = 0) -> None:
        """Open a page.

        Raises:
            NotRead: it must be read as a whole.
        """
        self.header: Header = tiff.header(path, number)
        self._file = TiffFile(path)
        try:
            self._page = tiff.page_at(self._file, number)
            first = self._page[0].keyframe
            self._mode = _mode(self.header, first)
            self._contiguous = all(_is_contiguous(one) for one in self._page)
            decoded = int(np.prod(first.chunks)) * first.dtype.itemsize
            if tiff.orientation(first) != 1 or (decoded > MOST_BYTES and not self._contiguous):
                raise NotRead("turned, or in parts that are too large")
            self._most = max(CACHED_BYTES // max(decoded, 1), 2)
            self.info = tiff.said_by(self._file, first)
        except BaseException:
            self._file.close()
            raise
        self._decoded: OrderedDict[tuple[int, int], NDArray[Any]] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def mode(self) -> str:
        """As of the picture that the page is."""
        return self.window(0, 0, 1, 1).mode

    def window(self, top: int, left: int, bottom: int, right: int) -> Picture:
        """Decode rows `top` to `bottom` - 1 and columns `left` to `right` - 1.

        Raises:
            NotRead: the file is broken there.
        """
        try:
            parts = [self._of(number, top, left, bottom, right) for number in range(len(self._page))]
        except NotRead:
            raise
        except Exception as error:  # whatever decoders make of bytes that could be anything
            words = " ".join(str(error).split())
            raise NotRead(f"broken at row {top}, column {left}: {words or type(error).__name__}") from error
        pixels = np.concatenate(parts, axis=2).astype(self.header.dtype, copy=False)
        if self._mode:
            image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
            image.info.update(self.info)
            return image
        return Raster(pixels, alpha=self.header.alpha, inverted=self.header.inverted, info=dict(self.info))

    def _of(self, number: int, top: int, left: int, bottom: int, right: int) -> NDArray[Any]:
        """Return (h, w, S) of a directory."""
        page = self._page[number]
        first = page.keyframe
        if self._contiguous:
            row = (first.imagewidth, first.samplesperpixel)
            start = page.dataoffsets[0] + top * int(np.prod(row)) * first.dtype.itemsize
            self._file.filehandle.seek(start)
            kind = first.dtype.newbyteorder(self._file.byteorder)
            found = self._file.filehandle.read_array(kind, (bottom - top) * int(np.prod(row)))
            return np.asarray(found).reshape(bottom - top, *row)[:, left:right]
        high, wide = (first.tilelength, first.tilewidth) if first.is_tiled else (first.rowsperstrip, first.imagewidth)
        across = -(-first.imagewidth // wide)
        out = np.zeros((bottom - top, right - left, first.samplesperpixel), first.dtype)
        for y in range(top // high, -(-bottom // high)):
            for x in range(left // wide, -(-right // wide)):
                segment = self._segment(number, y * across + x)
                rows = slice(max(top, y * high), min(bottom, y * high + segment.shape[0]))
                columns = slice(max(left, x * wide), min(right, x * wide + segment.shape[1]))
                out[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = segment[
                    rows.start - y * high : rows.stop - y * high, columns.start - x * wide : columns.stop - x * wide
                ]
        return out

    def _segment(self, number: int, index: int) -> NDArray[Any]:
        key = (number, index)
        if key not in self._decoded:
            page, handle = self._page[number], self._file.filehandle
            count = page.databytecounts[index]
            handle.seek(page.dataoffsets[index])
            data = handle.read(count) if count else None
            if data is not None and len(data) < count:
                raise NotRead("the file ends too early")
            found, _, shape = page.keyframe.decode(data, index, jpegtables=page.jpegtables)
            self._decoded[key] = np.zeros(shape[1:], page.keyframe.dtype) if found is None else found[0]
            while len(self._decoded) > self._most:
                self._decoded.popitem(last=False)
        self._decoded.move_to_end(key)
        return self._decoded[key]


def smaller(windows: TiffWindows, side: int) -> Picture:
    """Return a page made smaller by a whole factor, so that its longer side is not much more than `side`.

    Each pixel is the mean of those that it stands for. Only rows of it are in memory at a time.
    """
    height, width = windows.header.height, windows.header.width
    factor = max(max(height, width) // side, 1)
    rows = []
    for top in range(0, height - factor + 1, factor):
        part = as_raster(windows.window(top, 0, top + factor, width))
        whole = part.pixels[:, : width // factor * factor].astype(np.float64)
        rows.append(whole.reshape(factor, -1, factor, whole.shape[2]).mean(axis=(0, 2)))
    means = np.stack(rows)
    kind = part.pixels.dtype
    found = replace(part, pixels=(means if kind.kind == "f" else np.rint(means)).astype(kind))
    return as_pillow(found) or found


def _is_contiguous(page: Any) -> bool:
    """Tell whether the rows of a page lie one after the other as they are, so that any can be read."""
    first = page.keyframe
    return bool(page.is_contiguous and first.is_memmappable and not first.axes.startswith("S"))


def _mode(header: Header, first: Any) -> str:
    """Return Pillow's mode for a page; nothing if it is a raster.

    Raises:
        NotRead: Pillow reads it in a way that windows do not.
    """
    if first.axes.startswith("S"):
        raise NotRead("planes of colours one after the other")
    if (header.dtype, header.bands, header.alpha) in _MODES and not header.inverted:
        extra = [int(one) for one in first.extrasamples or ()]
        coloured = first.photometric == PHOTOMETRIC.RGB
        if coloured != (header.bands == 3) or extra not in ([], [_UNASSOCIATED]):
            raise NotRead("colours that are read in a way of their own")
        return _MODES[header.dtype, header.bands, header.alpha]
    if header.dtype == "uint8" and header.bands + header.alpha < 5:
        raise NotRead("bands that are read in a way of their own")
    return ""


@dataclass(frozen=True)
class _Layout:
    """Where the tiles of pages lie in their file: the bands of each in one directory, or each in one of its own."""

    offsets: tuple[tuple[int, ...], ...]
    samples: int
    dtype: np.dtype[Any]


class TiffWriting:
    """A TIFF, in tiles without compression, that is written part by part."""

    def __init__(
        self, path: Path, size: tuple[int, int], like: Picture, options: Mapping[str, Any], pages: int = 1
    ) -> None:
        """Make room for pages.

        Args:
            path: of the file.
            size: height and width of each page.
            like: any part of one, as it is to be written.
            options: `icc_profile`, and what `metadata.saved_with` says.
            pages: how many.

        Raises:
            OSError: it cannot be written.
        """
        height, self._width = size
        raster = as_raster(like)
        named = options.get(CHANNELS) if not raster.alpha and not raster.inverted else None
        part = raster.pixels
        nbytes = pages * height * self._width * part.shape[2] * part.dtype.itemsize
        with TiffWriter(path, bigtiff=nbytes > tiff.BIG, ome=bool(named)) as file:
            tiff.make_room(file, replace(raster, pixels=part[:1, :1]), (pages, *size), SIDE, named, options)
        with TiffFile(path) as made:
            offsets = tuple(tuple(page.dataoffsets) for page in made.pages)
            dtype = np.dtype(made.pages[0].dtype).newbyteorder(made.byteorder)
        apart = named and not ome.is_interleaved(named, part.shape[2])
        self._layout = _Layout(offsets, 1 if apart else part.shape[2], dtype)
        self._directories = len(offsets) // pages
        self._file = path.open("r+b", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, top: int, left: int, part: Picture, page: int = 0) -> None:
        """Write a part of a page that begins at a row and a column."""
        pixels = as_raster(part).pixels
        samples, first = self._layout.samples, page * self._directories
        for number, offsets in enumerate(self._layout.offsets[first : first + self._directories]):
            self._write(offsets, top, left, pixels[:, :, number * samples : (number + 1) * samples])

    def _write(self, offsets: tuple[int, ...], top: int, left: int, pixels: NDArray[Any]) -> None:
        bottom, right = top + pixels.shape[0], left + pixels.shape[1]
        across = -(-self._width // SIDE)
        for y in range(top // SIDE, -(-bottom // SIDE)):
            for x in range(left // SIDE, -(-right // SIDE)):
                low, high = max(top, y * SIDE), min(bottom, (y + 1) * SIDE)
                first, last = max(left, x * SIDE), min(right, (x + 1) * SIDE)
                tile = self._tile(offsets[y * across + x])
                rows, columns = slice(low - y * SIDE, high - y * SIDE), slice(first - x * SIDE, last - x * SIDE)
                tile[rows, columns] = pixels[low - top : high - top, first - left : last - left]
                self._file.seek(offsets[y * across + x])
                left_over = tile.data.cast("B")
                while left_over:
                    left_over = left_over[self._file.write(left_over) :]

    def _tile(self, offset: int) -> NDArray[Any]:
        shape = (SIDE, SIDE, self._layout.samples)
        tile: NDArray[Any] = np.zeros(shape, self._layout.dtype)
        self._file.seek(offset)
        left = tile.data.cast("B")
        while left and (count := self._file.readinto(left)):
            left = left[count:]
        return tile


class ArrayWindows:
    """A picture of a NumPy file that is mapped into memory.

    Attributes:
        header: what the file says of the picture.
    """

    def __init__(self, path: Path, number: int = 0) -> None:
        """Map a picture.

        Raises:
            NotRead: it must be read as a whole.
        """
        self.header = npy.header(path, number)
        self._pixels = npy.pictures(path)[number]
        if (
            not isinstance(self._pixels, np.memmap)
            or self._pixels.dtype.itemsize > np.dtype(self.header.dtype).itemsize
        ):
            raise NotRead("packed, or of integers that may be too large")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the file go with the last reference."""

    def window(self, top: int, left: int, bottom: int, right: int) -> Picture:
        """Read rows `top` to `bottom` - 1 and columns `left` to `right` - 1."""
        return Raster(np.array(self._pixels[top:bottom, left:right]).astype(self.header.dtype, copy=False))
