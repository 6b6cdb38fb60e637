"""Pictures of several pages or frames, in one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from instar.core import dicom_writing, nifti, npy, tiff
from instar.core.errors import UserError
from instar.core.files import temporary_beside
from instar.core.listing import PACKED, suffix_of
from instar.core.member import File
from instar.core.metadata import DICOM, saved_with
from instar.core.raster import Picture, Raster
from instar.core.rasters import as_raster
from instar.core.reading import page_count, read

PAGED = frozenset({".tif", ".tiff", ".gif", ".png", ".webp", ".avif", ".npy", ".npz", ".dcm", ".nii", PACKED})
"""Suffixes of files that hold several."""
_LOSSY: dict[str, dict[str, Any]] = {"WEBP": {"quality": 95}, "AVIF": {"quality": 95, "subsampling": "4:4:4"}}


@dataclass(frozen=True)
class Stack:
    """The pages of a file, all of one size.

    Attributes:
        pages: in order, at least one.
        times: how long each is shown, in milliseconds; none where the file says nothing.
        loop: how often they are shown, 0 for ever; None where the file says nothing.
        volume: where they lie in space, of slices of a volume.
    """

    pages: tuple[Picture, ...]
    times: tuple[float, ...] = ()
    loop: int | None = None
    volume: Mapping[str, Any] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pages[0].size

    @property
    def width(self) -> int:
        """Columns."""
        return self.pages[0].width

    @property
    def height(self) -> int:
        """Rows."""
        return self.pages[0].height

    @property
    def mode(self) -> str | None:
        """That of the first page."""
        return self.pages[0].mode

    @property
    def info(self) -> dict[Any, Any]:
        """That of the first page."""
        return self.pages[0].info


def read_all(path: File) -> Picture | Stack:
    """Decode all pages of a file; one of a single page gives its picture.

    Raises:
        UnreadableImage: as `read`, for any of them.
        UserError: they are of different sizes.
    """
    count = page_count(path)
    if count == 1 and not nifti.is_nifti(path):
        return read(path)
    pages = tuple(read(path, number) for number in range(count))
    sizes = {page.size for page in pages}
    if len(sizes) > 1:
        said = " and ".join(f"{width} x {height}" for width, height in sorted(sizes)[:2])
        raise UserError(f"{path}: its pages have different sizes, {said}; split the file")
    times = tuple(float(page.info["duration"]) for page in pages if "duration" in page.info)
    return Stack(
        pages, times if len(times) == count else (), pages[0].info.get("loop"), pages[0].info.get(nifti.VOLUME)
    )


def save_all(stack: Stack, path: Path) -> None:
    """Write pages into one file of the format of the path's suffix, with their times. It appears whole or not at all.

    Raises:
        UserError: the format holds no pages or not of this mode, or the folder cannot be written.
    """
    suffix = suffix_of(path)
    if suffix not in PAGED:
        raise UserError(f"cannot write {path}: {suffix or 'no suffix'} files hold no pages")
    part = temporary_beside(path)
    first = stack.pages[0]
    options = {"icc_profile": first.info.get("icc_profile"), **saved_with(first, path)[0]}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix in (".npy", ".npz"):
            npy.write([as_raster(page) for page in stack.pages], part, packed=suffix == ".npz")
        elif suffix == ".dcm":
            rasters = [as_raster(page) for page in stack.pages]
            dicom_writing.write(rasters, part, first.info.get(DICOM), keep=DICOM in options)
        elif suffix in (".nii", PACKED):
            _save_volume(stack, part, packed=suffix == PACKED)
        elif any(isinstance(page, Raster) for page in stack.pages):
            if suffix not in (".tif", ".tiff"):
                raise UserError(f"cannot write {path}: {suffix} files hold no pages of {first.mode}")
            tiff.write([as_raster(page) for page in stack.pages], part, options)
        else:
            _save_images([page for page in stack.pages if isinstance(page, Image.Image)], stack, part, suffix, options)
        part.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _save_volume(stack: Stack, path: Path, *, packed: bool) -> None:
    pages = [as_raster(page) for page in stack.pages]
    if stack.volume is None or any(page.pixels.shape[2] != 1 for page in pages):
        raise UserError("volumes are written of slices of volumes that have one band")
    nifti.write(pages, path, stack.volume, packed=packed)


def _save_images(pages: list[Image.Image], stack: Stack, path: Path, suffix: str, options: dict[str, Any]) -> None:
    kind = Image.registered_extensions()[suffix]
    if kind != "TIFF":
        options = {**_LOSSY.get(kind, {}), **options}
        if stack.times:
            options["duration"] = [round(time) for time in stack.times]
        if stack.loop is not None:
            options["loop"] = stack.loop
    if kind == "GIF":
        options |= {"optimize": False, "disposal": 2}
    pages[0].save(path, format=kind, save_all=True, append_images=pages[1:], **options)
