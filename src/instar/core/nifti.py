"""NIfTI volumes: each slice along the third axis is a page, those of each further axis after another."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instar.core.member import File
from instar.core.raster import Header, NotRead, Raster

VOLUME = "instar.volume"
"""In `info` of a slice: file of the volume, its shape and where it lies in space, for a volume made of it."""


def is_nifti(path: File) -> bool:
    """Tell whether a file is one by its name."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def header(path: Path, number: int = 0) -> Header:
    """Return what a file says of a slice.

    Raises:
        NotRead: nibabel is not installed, or there is no such slice.
    """
    volume = _opened(path)
    width, height, count = _sides(volume.shape)
    if number >= count:
        raise NotRead(f"it has no page {number + 1}")
    return Header(width, height, bands=1, dtype=_type(volume).name, plain=False, pages=count)


def read(path: Path, number: int = 0) -> Raster:
    """Return a slice: its rows lie along the second axis of the volume, its columns along the first.

    Errors as `header`.
    """
    about = header(path, number)
    volume = _opened(path)
    values = _values(str(path), path.stat().st_mtime_ns).reshape(about.width, about.height, -1, order="F")
    info = {VOLUME: {"shape": tuple(volume.shape), "affine": volume.affine, "zooms": volume.header.get_zooms()}}
    return Raster(np.ascontiguousarray(values[:, :, number].T)[:, :, None], info=info)


def write(pages: Sequence[Raster], path: Path, about: Mapping[str, Any], *, packed: bool) -> None:
    """Write slices as a volume of the place in space of the one that they were made from.

    Args:
        pages: all slices, with one band.
        path: of the file.
        about: what `read` says under `VOLUME`.
        packed: by gzip.
    """
    nibabel = _nibabel()
    values = np.stack([page.pixels[:, :, 0].T for page in pages], axis=2)
    volume = nibabel.Nifti1Image(values.reshape(about["shape"], order="F"), about["affine"])
    volume.header.set_zooms(about["zooms"])
    content = volume.to_bytes()
    path.write_bytes(gzip.compress(content, mtime=0) if packed else content)


def _nibabel() -> Any:
    try:
        import nibabel  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise NotRead("NIfTI needs nibabel: pip install '.[science]'") from error
    return nibabel


def _opened(path: Path) -> Any:
    return _nibabel().load(path)


def _sides(shape: Sequence[int]) -> tuple[int, int, int]:
    """Return width, height and number of slices."""
    if len(shape) < 2:
        raise NotRead(f"a volume {tuple(shape)} has no slices")
    return int(shape[0]), int(shape[1]), int(np.prod(shape[2:], dtype=int))


def _type(volume: Any) -> np.dtype[Any]:
    """Return the type of the values: that of the file, or floats if it scales them."""
    kind = volume.header.get_data_dtype()
    slope, intercept = volume.header.get_slope_inter()
    if slope not in (None, 1) or intercept not in (None, 0):
        return np.dtype(np.float32)
    if kind.kind not in "iuf" or (kind.kind in "iu" and kind.itemsize > 4):
        raise NotRead(f"{kind.name}: only integers of 8, 16 and 32 bits and floating-point numbers are read")
    found: np.dtype[Any] = np.dtype(kind.newbyteorder("="))
    return found


@lru_cache(maxsize=2)  # a volume is read slice by slice
def _values(path: str, _changed: int) -> NDArray[Any]:
    volume = _opened(Path(path))
    found: NDArray[Any] = np.asanyarray(volume.dataobj).astype(_type(volume), copy=False)
    return found
