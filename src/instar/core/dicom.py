"""DICOM files: one picture, or the frames of one; numbers as they are meant, such as Hounsfield units."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from instar.core.member import File
from instar.core.metadata import DICOM
from instar.core.raster import Header, NotRead, Raster

_READ = ("MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "YBR_FULL_422")


@dataclass(frozen=True)
class Origin:
    """What a DICOM file says of a picture, or of that from which a picture was made.

    Attributes:
        data: its tags without the pixels, those of the patient too.
        ends: smallest and largest value that such a picture may have, if that is known.
    """

    data: Any
    ends: tuple[float, float] | None = None


def is_dicom(path: File) -> bool:
    """Tell whether a file is one by its preamble."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def header(path: Path | IO[bytes], number: int = 0) -> Header:
    """Return what a file says of a frame.

    Raises:
        NotRead: pydicom is not installed, or there is no such picture in it.
    """
    return _header(_opened(path, pixels=False), number)


def read(path: Path | IO[bytes], number: int = 0) -> Raster:
    """Decode a frame. The rest of the file is kept in `info`, from where only `dicom_writing` takes it.

    Errors as `header`.
    """
    data = _opened(path, pixels=True)
    about = _header(data, number)
    pixels: NDArray[Any] = data.pixel_array
    if data.PhotometricInterpretation.startswith("YBR"):
        from pydicom.pixels.processing import convert_color_space  # noqa: PLC0415  (an extra)

        pixels = convert_color_space(pixels, data.PhotometricInterpretation, "RGB")
    frames = pixels.reshape(about.pages, about.height, about.width, about.bands)
    del data.PixelData
    slope, intercept = meant(data)
    values = frames[number]
    if (slope, intercept) != (1, 0):
        values = values.astype(np.float64) * slope + intercept
    return Raster(values.astype(about.dtype), inverted=about.inverted, info={DICOM: Origin(data)})


def _opened(path: Path | IO[bytes], *, pixels: bool) -> Any:
    try:
        from pydicom import dcmread  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise NotRead("DICOM needs pydicom: pip install '.[science]'") from error
    return dcmread(path, stop_before_pixels=not pixels)


def _header(data: Any, number: int) -> Header:
    colours = data.get("PhotometricInterpretation")
    if colours not in _READ or "Rows" not in data:
        raise NotRead(f"no picture that is read: {colours or 'it has no pixels'}")
    pages = int(data.get("NumberOfFrames") or 1)
    if number >= pages:
        raise NotRead(f"it has no page {number + 1}")
    return Header(
        int(data.Columns),
        int(data.Rows),
        bands=int(data.get("SamplesPerPixel", 1)),
        dtype=type_of(data).name,
        plain=False,
        inverted=colours == "MONOCHROME1",
        pages=pages,
    )


def type_of(data: Any) -> np.dtype[Any]:
    """Return the type of the values of a data set, as they are meant."""
    signed, bits = int(data.get("PixelRepresentation", 0)), int(data.BitsAllocated)
    slope, intercept = meant(data)
    if (slope, intercept) == (1, 0):
        return np.dtype(f"{'i' if signed else 'u'}{bits // 8}")
    # A shift by a whole number, such as to Hounsfield units, leaves integers; below 2^16 they fit the signed type.
    whole = slope == 1 and intercept == int(intercept) and bits <= 16
    return np.dtype(np.int16 if whole and int(data.BitsStored) < 16 else np.int32 if whole else np.float32)


def meant(data: Any) -> tuple[float, float]:
    """Return by what stored numbers are multiplied, and what is added then."""
    return float(data.get("RescaleSlope", 1)), float(data.get("RescaleIntercept", 0))
