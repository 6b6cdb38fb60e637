"""TIFF files that Pillow has no mode for: any number of bands, integers and floats of any depth, stacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from tifffile import PHOTOMETRIC, TIFF, TiffFile, TiffWriter

from instar.core import ome
from instar.core.metadata import CHANNELS, GEO, TAGS
from instar.core.raster import TURNED, Header, NotRead, Raster, upright

_READ = (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB)
_OPACITY = (1, 2)
"""Kinds of extra bands that say how opaque pixels are."""
_PROFILE, _ORIENTATION, _ACROSS, _DOWN, _UNIT = 34675, 274, 282, 283, 296
_INCHES = {2: 1.0, 3: 1 / 2.54}
"""Of units of resolution."""
BIG = 2**32 - 2**25
"""Bytes from which on a file needs the larger numbers of BigTIFF."""

Page = tuple[Any, ...]
"""What makes a page: one directory, or one for each band."""


def header(path: Path | IO[bytes], number: int = 0) -> Header:
    """Return what a TIFF says of a page.

    Raises:
        NotRead: there is no such page, or its kind of values or of compression is not read.
    """
    with TiffFile(path) as tif:
        pages = _pages(tif)
        page = _at(pages, number)
        first = page[0].keyframe
        _check(first)
        height, width = first.imagelength, first.imagewidth
        if orientation(first) >= TURNED:
            height, width = width, height
        alpha = _has_alpha(page)
        return Header(
            width=width,
            height=height,
            bands=len(page) * first.samplesperpixel - alpha,
            dtype=_type(first).name,
            plain=False,
            alpha=alpha,
            inverted=first.photometric == PHOTOMETRIC.MINISWHITE,
            pages=len(pages),
        )


def read(path: Path | IO[bytes], number: int = 0) -> Raster:
    """Decode a page of a TIFF and turn it upright.

    Raises:
        NotRead: as `header`.
    """
    with TiffFile(path) as tif:
        pages = _pages(tif)
        page = _at(pages, number)
        first = page[0].keyframe
        _check(first)
        pixels = np.concatenate([_pixels(one) for one in page], axis=2).astype(_type(first), copy=False)
        return Raster(
            upright(pixels, orientation(first)),
            alpha=_has_alpha(page),
            inverted=first.photometric == PHOTOMETRIC.MINISWHITE,
            info=said_by(tif, first),
        )


def write(pages: Raster | Sequence[Raster], path: Path, options: Mapping[str, Any]) -> None:
    """Write a raster, or several as pages, without compression.

    Args:
        pages: of any type and number of bands.
        path: of the file.
        options: `icc_profile`, and what `metadata.saved_with` says.
    """
    several = [pages] if isinstance(pages, Raster) else pages
    named = options.get(CHANNELS) if _is_uniform(several) else None
    with TiffWriter(path, bigtiff=sum(page.pixels.nbytes for page in several) > BIG, ome=bool(named)) as file:
        if named:
            _write_named(several, file, named, options)
        else:
            for page in several:
                _write(page, file, options)


def _is_uniform(pages: Sequence[Raster]) -> bool:
    shapes = {(page.pixels.shape, page.pixels.dtype) for page in pages}
    return len(shapes) == 1 and not any(page.alpha or page.inverted for page in pages)


def _write(raster: Raster, file: TiffWriter, options: Mapping[str, Any]) -> None:
    pixels = raster.pixels if raster.pixels.shape[2] > 1 else raster.pixels[:, :, 0]
    file.write(pixels, **_kind(raster), **_said(options))


def _kind(raster: Raster) -> dict[str, Any]:
    """Return what bands are, as tifffile takes it."""
    coloured = raster.bands == 3 and not raster.inverted
    extra = raster.pixels.shape[2] - (3 if coloured else 1)
    kinds = ["unspecified"] * (extra - raster.alpha) + ["unassalpha"] * raster.alpha
    return {
        "photometric": "rgb" if coloured else "miniswhite" if raster.inverted and raster.bands == 1 else "minisblack",
        "planarconfig": "contig" if raster.pixels.shape[2] > 1 else None,
        "extrasamples": kinds or None,
        "metadata": None,
    }


def make_room(
    file: TiffWriter,
    raster: Raster,
    size: tuple[int, int, int],
    side: int,
    named: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> None:
    """Write empty pages in tiles.

    Args:
        file: to write to.
        raster: a part of what a page will be.
        size: how many pages, height and width of each.
        side: of the tiles.
        named: names of channels and sizes of pixels, if each band is to be a directory with its name.
        options: as of `write`.
    """
    bands, dtype = raster.pixels.shape[2], raster.pixels.dtype
    pages, *sides = size
    kind: dict[str, Any] = {"dtype": dtype, "tile": (side, side)}
    if named:
        shape, told = ome.layout(named, pages, bands, sides)
        file.write(None, shape=shape, **kind, **told, **_said(options))
        return
    for _ in range(pages):
        file.write(None, shape=(*sides, bands) if bands > 1 else sides, **kind, **_kind(raster), **_said(options))


def _write_named(
    pages: Sequence[Raster], file: TiffWriter, named: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    """Write pages as an OME-TIFF: a directory for each band of each, or for each in colour."""
    height, width, bands = pages[0].pixels.shape
    shape, told = ome.layout(named, len(pages), bands, (height, width))
    planes = np.stack([page.pixels for page in pages])
    if not ome.is_interleaved(named, bands):
        planes = planes.transpose(0, 3, 1, 2)
    file.write(planes.reshape(shape), **told, **_said(options))


def _said(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of pictures as tifffile takes it."""
    tags: Mapping[int, tuple[int, Any]] = options.get(TAGS, {})
    found: dict[str, Any] = {"iccprofile": options.get("icc_profile")}
    found["extratags"] = [(tag, form, _count(value), value, True) for tag, (form, value) in tags.items()]
    if dpi := options.get("dpi"):
        found |= {"resolution": tuple(float(one) for one in dpi), "resolutionunit": "inch"}
    return found


def _count(value: Any) -> int:
    return 0 if isinstance(value, str) else len(value) if isinstance(value, (tuple, bytes)) else 1


def said_by(tif: TiffFile, page: Any) -> dict[str, Any]:
    """Return what a file says of a page, by the names under which PIL images have it."""
    info: dict[str, Any] = {}
    if _PROFILE in page.tags:
        info["icc_profile"] = page.tags[_PROFILE].value
    found = {tag: (int(page.tags[tag].dtype), page.tags[tag].value) for tag in GEO if tag in page.tags}
    if found:
        info[TAGS] = found
    inches = _INCHES.get(int(page.tags[_UNIT].value) if _UNIT in page.tags else 2)
    if inches and _ACROSS in page.tags and _DOWN in page.tags:
        pairs = (page.tags[tag].value for tag in (_ACROSS, _DOWN))
        dpi = tuple(above / below / inches for above, below in pairs if below)
        if len(dpi) == 2 and min(dpi) > 1:  # 1 stands for nothing known
            info["dpi"] = dpi
    if tif.is_ome and tif.ome_metadata and (named := ome.said(tif.ome_metadata)):
        info[CHANNELS] = named
    return info


def _pages(tif: TiffFile) -> list[Page]:
    """Return the pages of a file, each with the directories of its bands; no thumbnails and smaller copies."""
    series = tif.series[0] if tif.is_ome or tif.is_imagej else None
    leading = str(series.axes).rstrip("S").removesuffix("YX") if series is not None else ""
    if series is None or not leading or len(series.pages) != int(np.prod(tuple(series.shape)[: len(leading)])):
        whole = [page for page in tif.pages if page.keyframe is None or not page.keyframe.is_reduced]
        return [(one,) for one in whole or tif.pages[:1]]
    numbers: NDArray[Any] = np.arange(len(series.pages)).reshape(tuple(series.shape)[: len(leading)])
    numbers = np.moveaxis(numbers, leading.index("C"), -1) if "C" in leading else numbers[..., None]
    return [tuple(series.pages[int(one)] for one in row) for row in numbers.reshape(-1, numbers.shape[-1])]


def page_at(tif: TiffFile, number: int) -> Page:
    """Return a page of an opened file.

    Raises:
        NotRead: there is none, or its kind of values or of compression is not read.
    """
    page = _at(_pages(tif), number)
    _check(page[0].keyframe)
    return page


def _at(pages: list[Page], number: int) -> Page:
    if number >= len(pages):
        raise NotRead(f"it has no page {number + 1}")
    return pages[number]


def _check(page: Any) -> None:
    if page.photometric not in _READ:
        raise NotRead(f"colours as {page.photometric.name}: only gray, RGB and bands without meaning are read")
    if page.dtype is None or page.dtype.kind not in "iuf" or (page.dtype.kind in "iu" and page.dtype.itemsize > 4):
        kind = page.dtype.name if page.dtype is not None else f"{page.bitspersample}-bit numbers"
        raise NotRead(f"{kind}: only integers of 8, 16 and 32 bits and floating-point numbers are read")
    if page.imagedepth != 1:
        raise NotRead("voxels in one page: only flat pages are read")
    if page.compression not in TIFF.DECOMPRESSORS or page.predictor not in TIFF.UNPREDICTORS:
        raise NotRead(f"compressed as {page.compression.name}: pip install '.[science]' to read it")


def _type(page: Any) -> np.dtype[Any]:
    """Return the type in which values are kept: that of the file, in the machine's order; half floats as floats."""
    assert page.dtype is not None
    return np.dtype(np.float32) if page.dtype.itemsize == 2 and page.dtype.kind == "f" else page.dtype.newbyteorder("=")


def _pixels(page: Any) -> NDArray[Any]:
    """Return (H, W, S) of a directory."""
    found: NDArray[Any] = page.asarray()
    if found.ndim == 2:
        return found[:, :, None]
    return np.moveaxis(found, 0, 2) if page.keyframe.axes.startswith("S") else found


def _has_alpha(page: Page) -> bool:
    extra = page[0].keyframe.extrasamples
    return len(page) == 1 and bool(extra) and int(extra[-1]) in _OPACITY


def orientation(page: Any) -> int:
    """Return how a page is to be turned, from 1 (as it is) to 8."""
    return int(page.tags[_ORIENTATION].value) if _ORIENTATION in page.tags else 1
