"""NumPy's files: an array of one picture, (H, W) or (H, W, C), or of several, (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from instar.core.raster import Header, NotRead, Raster

MOST_BANDS = 64
"""Above it the last axis is taken for columns of pictures whose bands come first, which is refused."""


def header(path: Path | IO[bytes], number: int = 0) -> Header:
    """Return what the file says of a picture.

    Raises:
        NotRead: it holds no picture, or not this one.
    """
    found = pictures(path)
    _check(found, number)
    count, height, width, bands = found.shape
    return Header(width, height, bands=bands, dtype=_type(found).name, plain=False, pages=count)


def read(path: Path | IO[bytes], number: int = 0) -> Raster:
    """Read a picture. Errors as `header`, and integers of 64 bits that 32 do not hold."""
    found = pictures(path)
    _check(found, number)
    values, kind = np.array(found[number]), _type(found)
    if kind.kind in "iu":
        ends, low, high = np.iinfo(kind), values.min(), values.max()
        if low < ends.min or high > ends.max:
            raise NotRead(f"{values.dtype.name} values from {low} to {high}: only those of 32 bits are read")
    return Raster(values.astype(kind, copy=False))


def write(pages: Sequence[Raster], path: Path, *, packed: bool) -> None:
    """Write rasters of one shape: (H, W) or (H, W, C), of several (N, H, W, C)."""
    arrays = [page.pixels for page in pages]
    whole = np.stack(arrays) if len(arrays) > 1 else arrays[0][..., 0] if arrays[0].shape[2] == 1 else arrays[0]
    with path.open("wb") as file:
        if packed:
            np.savez_compressed(file, image=whole)
        else:
            np.save(file, whole)


def pictures(path: Path | IO[bytes]) -> NDArray[Any]:
    """Return (N, H, W, C), of an .npy still on the disk."""
    try:
        found = np.load(path, mmap_mode="r" if isinstance(path, Path) else None, allow_pickle=False)
    except ValueError as error:
        raise NotRead("no array of numbers, or only half of one") from error
    if isinstance(found, np.lib.npyio.NpzFile):
        with found:
            if len(found.files) != 1 and "image" not in found.files:
                raise NotRead(f"{len(found.files)} arrays: only one, or one called image, is read")
            found = found["image" if "image" in found.files else found.files[0]]
    if found.dtype.kind not in "iuf" or found.ndim not in (2, 3, 4) or not found.size:
        taken = "only (H, W), (H, W, C) and (N, H, W, C) of numbers are read"
        raise NotRead(f"an array {found.shape} of {found.dtype}: {taken}")
    whole: NDArray[Any] = found[None, :, :, None] if found.ndim == 2 else found[None] if found.ndim == 3 else found
    if whole.shape[3] > MOST_BANDS:
        raise NotRead(f"an array {found.shape}: bands are the last axis, and at most {MOST_BANDS}; move them there")
    return whole


def _check(pictures: NDArray[Any], number: int) -> None:
    if number >= len(pictures):
        raise NotRead(f"it has no page {number + 1}")


def _type(pictures: NDArray[Any]) -> np.dtype[Any]:
    """Return the type in which values are kept: integers of 64 bits in 32, half floats in floats."""
    kind = pictures.dtype.newbyteorder("=")
    if kind.kind in "iu" and kind.itemsize == 8:
        return np.dtype(f"{kind.kind}4")
    return np.dtype(np.float32) if kind.kind == "f" and kind.itemsize == 2 else kind
