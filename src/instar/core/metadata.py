"""What a file says of its picture besides the pixels, and what of it other files can hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from instar.core import ome
from instar.core.raster import Picture, Raster

TAGS = "instar.tags"
"""In `info` of an image: tags of its TIFF that place it on the earth, by number: kind of values, values."""
CHANNELS = "instar.channels"
"""In `info` of an image: what its OME-TIFF says of channels and sizes of pixels, as tifffile takes it."""
DICOM = "instar.dicom"
"""In `info` of an image: the DICOM file that it is from, or was made from."""
_GIVEN = "instar.metadata"
"""In `info` of a result: what it is saved with. Nothing else there is: it may say where a picture was taken."""
_DESCRIPTION = 270
GEO = (33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113)
_HELD = {
    "exif": ("JPEG", "PNG", "WEBP", "AVIF", "TIFF"),
    "xmp": ("JPEG", "PNG", "WEBP", "AVIF"),
    "dpi": ("JPEG", "PNG", "TIFF", "BMP"),
    TAGS: ("TIFF",),
    CHANNELS: ("TIFF",),
    DICOM: ("DICOM",),
}
_NAMES = {
    "exif": "EXIF data",
    "xmp": "XMP data",
    "dpi": "resolution",
    TAGS: "georeference",
    CHANNELS: "names of channels and sizes of pixels",
    DICOM: "tags of DICOM",
}
_LEFT_OUT = {Raster: ("exif",), Image.Image: (CHANNELS,)}
"""What TIFFs hold, but not those that are written of a kind of picture."""


def format_of(path: Path) -> str:
    """Return what Pillow calls the format of a path's suffix; DICOM where it is that; "" if it is none of both."""
    suffix = path.suffix.lower()
    return "DICOM" if suffix == ".dcm" else Image.registered_extensions().get(suffix, "")


def remember_tags(image: Image.Image, upright: Image.Image) -> None:
    """Put into `info` of an upright copy what Pillow keeps with the file that was opened only."""
    tags: Any = getattr(image, "tag_v2", None)
    if image.format == "TIFF" and tags is not None:
        found = {tag: (tags.tagtype[tag], tags[tag]) for tag in GEO if tag in tags}
        if found:
            upright.info[TAGS] = found
        # Pillow takes these bytes for Latin-1; they are UTF-8, as in the unit of sizes.
        text = str(tags.get(_DESCRIPTION, "")).encode("latin-1", "replace").decode("utf-8", "replace")
        if ome.is_ome(text) and (named := ome.said(text)):
            upright.info[CHANNELS] = named


def give(image: Picture, result: Picture) -> None:
    """Let a result have the EXIF data (with place and camera), resolution and georeference of an image."""
    result.info[_GIVEN] = {key: image.info[key] for key in _HELD if key in image.info}


def is_named(image: Picture, path: Path) -> bool:
    """Tell whether an image was given names of channels and sizes of pixels that a file at `path` holds."""
    return format_of(path) == "TIFF" and CHANNELS in image.info.get(_GIVEN, {})


def pass_on(result: Picture, other: Picture) -> None:
    """Let an image made from a result be saved with what was given to that."""
    other.info.update({key: result.info[key] for key in (_GIVEN, DICOM) if key in result.info})


def saved_with(image: Picture, path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the options with which a file of what an image was given is written, and what it cannot hold, in words."""
    kind = format_of(path)
    there: dict[str, Any] = image.info.get(_GIVEN, {})
    left = _LEFT_OUT[Raster if isinstance(image, Raster) else Image.Image] if kind == "TIFF" else ()
    kept = {key: value for key, value in there.items() if kind in _HELD[key] and key not in left}
    options = dict(kept)
    if kind == "PNG" and "xmp" in options:
        options["pnginfo"] = _with_xmp(options.pop("xmp"))
    if not isinstance(image, Raster) and TAGS in options:
        directory = ImageFileDirectory_v2()
        for tag, (form, value) in options.pop(TAGS).items():
            directory.tagtype[tag] = form
            directory[tag] = value
        options["tiffinfo"] = directory
    lost = [_NAMES[key] for key in there if key not in kept]
    return options, (f"{', '.join(lost)} not kept, for {path.suffix} files hold none",) if lost else ()


def _with_xmp(xmp: bytes | str) -> PngInfo:
    """Return XMP data as PNGs hold them (XMP specification, part 3)."""
    info = PngInfo()
    text = xmp if isinstance(xmp, str) else xmp.decode("utf-8", "replace")
    info.add_itxt("XML:com.adobe.xmp", text)
    return info
