"""Pictures made from DICOM files as such files again: numbers as they are meant, and of the tags what a policy says."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instar.core.dicom import Origin, meant, type_of
from instar.core.errors import UserError
from instar.core.raster import Raster

_PIXELS = 0x7FE0
"""Group of tags that hold them, and where they lie."""
STEPS = 65535
"""Of the values of 16 bits that stand for floats and for integers of 32 bits."""
ROUNDING = 2.0**-22
"""Of a range: what floats may be off once they were numbers of 32 bits from -1 to 1."""
KEPT = (
    *("SOPClassUID", "Modality", "BodyPartExamined", "PatientPosition", "InstanceNumber", "ImageType"),
    *("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio", "SliceThickness", "SpacingBetweenSlices"),
    *("ImagePositionPatient", "ImageOrientationPatient", "SliceLocation", "PositionReferenceIndicator"),
    *("RescaleType", "Units", "WindowCenter", "WindowWidth", "PixelPaddingValue"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
)
"""What says nothing of a person: kind of image, and where it lies."""
EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("AccessionNumber", "ReferringPhysicianName", "Manufacturer", "SeriesNumber"),
)
"""Tags that must be there, and may say nothing."""
OF_VALUES = (
    *("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction", "VOILUTSequence", "RescaleType"),
    *("SmallestImagePixelValue", "LargestImagePixelValue", "PixelPaddingValue", "PixelPaddingRangeLimit"),
)
"""Tags about values, which hold only as long as these are kept in the way of the origin."""
NEVER = ("ModalityLUTSequence", "PerFrameFunctionalGroupsSequence", "NumberOfFrames", "IconImageSequence")


@dataclass(frozen=True)
class Stored:
    """Values as they stand in a file.

    Attributes:
        numbers: as the values, of integers.
        bits: that are used.
        slope: by which numbers are multiplied.
        intercept: that is added then.
        as_origin: whether this is the way of the origin.
        exact: whether the same values are read again.
    """

    numbers: NDArray[Any]
    bits: int
    slope: float = 1.0
    intercept: float = 0.0
    as_origin: bool = False
    exact: bool = True


def write(pages: Sequence[Raster], path: Path, origin: Origin | None, *, keep: bool) -> None:
    """Write pictures as the frames of a file without compression.

    Args:
        pages: of one size and kind.
        path: of the file.
        origin: the file that they were made from.
        keep: whether its tags are kept; else only its geometry is.

    Raises:
        UserError: there is no origin, or DICOM holds no such bands.
    """
    from pydicom.uid import ExplicitVRLittleEndian  # noqa: PLC0415  (an extra)

    if origin is None:
        raise UserError("DICOM files are written of DICOM files alone; take another suffix, such as .tif")
    first = pages[0]
    values = np.stack([page.pixels for page in pages])
    stored = stored_as(values, origin)
    data = _tags(origin.data, keep=keep)
    for name in (*NEVER, *(() if stored.as_origin else OF_VALUES)):
        if name in data:
            delattr(data, name)
    gray = "MONOCHROME1" if first.inverted else "MONOCHROME2"
    size = stored.numbers.dtype.itemsize
    data.Rows, data.Columns, data.SamplesPerPixel = first.height, first.width, first.bands
    data.PhotometricInterpretation = gray if first.bands == 1 else "RGB"
    data.BitsAllocated, data.BitsStored, data.HighBit = 8 * size, stored.bits, stored.bits - 1
    data.PixelRepresentation = int(stored.numbers.dtype.kind == "i")
    if first.bands > 1:
        data.PlanarConfiguration = 0
    if len(pages) > 1:
        data.NumberOfFrames = len(pages)
    if stored.as_origin and "RescaleSlope" in origin.data:
        data.RescaleSlope, data.RescaleIntercept = origin.data.RescaleSlope, origin.data.get("RescaleIntercept", 0)
    else:
        data.RescaleSlope, data.RescaleIntercept = _decimal(stored.slope), _decimal(stored.intercept)
    content = stored.numbers.astype(stored.numbers.dtype.newbyteorder("<")).tobytes()
    _derive(data, origin.data, content, keep=keep)
    data.file_meta = _meta(data, ExplicitVRLittleEndian)
    data.PixelData = content + b"\0" * (len(content) % 2)
    data["PixelData"].VR = "OB" if size == 1 else "OW"
    data.save_as(path, enforce_file_format=True)


def stored_as(values: NDArray[Any], origin: Origin) -> Stored:
    """Return how values are to be stored: as in the origin if that is exact, else by their type or in 16 bits."""
    found = _as_in(values, origin)
    if found:
        return found
    kind = values.dtype
    if kind.kind in "iu" and kind.itemsize <= 2:
        return Stored(values, 8 * kind.itemsize)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if kind.kind in "iu" and high - low <= STEPS:
        return Stored((values.astype(np.int64) - int(low)).astype(np.uint16), 16, intercept=low)
    if origin.ends:  # the same for all slices of a volume
        low, high = min(low, origin.ends[0]), max(high, origin.ends[1])
    slope = float(_decimal((high - low) / STEPS or 1.0))
    intercept = float(_decimal(low))
    numbers = np.rint((np.nan_to_num(values, nan=low) - intercept) / slope).clip(0, STEPS).astype(np.uint16)
    return Stored(numbers, 16, slope, intercept, exact=False)


def _as_in(values: NDArray[Any], origin: Origin) -> Stored | None:
    """Return values in the way of the origin; None if that would change them by more than networks' own rounding."""
    data = origin.data
    slope, intercept = meant(data)
    bits, signed = int(data.BitsStored), bool(data.get("PixelRepresentation", 0))
    if type_of(data) != values.dtype or not slope or int(data.get("SamplesPerPixel", 1)) != values.shape[-1]:
        return None
    numbers = np.rint((values.astype(np.float64) - intercept) / slope)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    near = (origin.ends[1] - origin.ends[0]) * ROUNDING if origin.ends and values.dtype.kind == "f" else 0.0
    again = (numbers * slope + intercept).astype(values.dtype)
    if not (np.abs(again.astype(np.float64) - values) <= near).all() or numbers.min() < low or numbers.max() > high:
        return None
    kind = np.dtype(f"{'i' if signed else 'u'}{int(data.BitsAllocated) // 8}")
    return Stored(numbers.astype(kind), bits, slope, intercept, as_origin=True)


def _tags(origin: Any, *, keep: bool) -> Any:
    """Return a new data set with what the policy leaves."""
    from pydicom.dataset import Dataset  # noqa: PLC0415

    found = Dataset()
    for element in origin:
        if element.tag.group != _PIXELS and (keep or element.keyword in KEPT):
            found.add(deepcopy(element))
    if not keep:
        for name in EMPTY:
            setattr(found, name, "")
        found.PatientIdentityRemoved = "YES"
        found.DeidentificationMethod = "Instar: only kind and geometry of the image are kept"
    return found


def _derive(data: Any, origin: Any, content: bytes, *, keep: bool) -> None:
    """Say that this is an image made from another one, under identifiers of its own: the same for the same image."""
    from pydicom.dataset import Dataset  # noqa: PLC0415
    from pydicom.uid import SecondaryCaptureImageStorage  # noqa: PLC0415

    kind = [str(word) for word in origin.get("ImageType") or ()]
    data.ImageType = ["DERIVED", "SECONDARY", *kind[2:]]
    data.DerivationDescription = "translated by a network (Instar)"
    if "SOPClassUID" not in data:
        data.SOPClassUID = SecondaryCaptureImageStorage
    data.SOPInstanceUID = _uid(origin, "SOPInstanceUID", hashlib.sha256(content).hexdigest())
    data.SeriesInstanceUID = _uid(origin, "SeriesInstanceUID", "series")
    if not keep:
        data.StudyInstanceUID = _uid(origin, "StudyInstanceUID", "study")
        if "FrameOfReferenceUID" in origin:
            data.FrameOfReferenceUID = _uid(origin, "FrameOfReferenceUID", "frame")
    elif "SOPInstanceUID" in origin:
        source = Dataset()
        source.ReferencedSOPClassUID = origin.get("SOPClassUID") or SecondaryCaptureImageStorage
        source.ReferencedSOPInstanceUID = origin.SOPInstanceUID
        data.SourceImageSequence = [source]


def _uid(origin: Any, name: str, what: str) -> Any:
    from pydicom.uid import generate_uid  # noqa: PLC0415

    return generate_uid(entropy_srcs=[str(origin.get(name, "")), "instar", what])


def _meta(data: Any, syntax: Any) -> Any:
    from pydicom.dataset import FileMetaDataset  # noqa: PLC0415

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    return meta


def _decimal(number: float) -> str:
    """Return a number in the 16 characters that DICOM has for one."""
    whole = f"{number:.0f}"
    if float(whole) == number and len(whole) <= 16:
        return whole
    return next(text for digits in range(16, 0, -1) if len(text := f"{number:.{digits}g}") <= 16)
