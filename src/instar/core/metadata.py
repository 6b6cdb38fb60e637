"""What a file says of its picture besides the pixels, and what of it other files can hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

_KEY = "instar.tags"
"""In `info` of an image: tags of its TIFF that place it on the earth."""
_GIVEN = "instar.metadata"
"""In `info` of a result: what it is saved with. Nothing else there is: it may say where a picture was taken."""
_GEO = (33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113)
_HELD = {
    "exif": ("JPEG", "PNG", "WEBP", "AVIF", "TIFF"),
    "xmp": ("JPEG", "PNG", "WEBP", "AVIF"),
    "dpi": ("JPEG", "PNG", "TIFF", "BMP"),
    _KEY: ("TIFF",),
}
_NAMES = {"exif": "EXIF data", "xmp": "XMP data", "dpi": "resolution", _KEY: "georeference"}


def remember_tags(image: Image.Image, upright: Image.Image) -> None:
    """Put into `info` of an upright copy what Pillow keeps with the file that was opened only."""
    tags: Any = getattr(image, "tag_v2", None)
    if image.format == "TIFF" and tags is not None:
        found = {tag: (tags.tagtype[tag], tags[tag]) for tag in _GEO if tag in tags}
        if found:
            upright.info[_KEY] = found


def give(image: Image.Image, result: Image.Image) -> None:
    """Let a result have the EXIF data (with place and camera), resolution and georeference of an image."""
    result.info[_GIVEN] = {key: image.info[key] for key in _HELD if key in image.info}


def pass_on(result: Image.Image, other: Image.Image) -> None:
    """Let an image made from a result be saved with what was given to that."""
    if _GIVEN in result.info:
        other.info[_GIVEN] = result.info[_GIVEN]


def saved_with(image: Image.Image, path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the options with which Pillow writes what an image was given, and what the file cannot hold, in words."""
    kind = Image.registered_extensions().get(path.suffix.lower(), "")
    there: dict[str, Any] = image.info.get(_GIVEN, {})
    options = {key: value for key, value in there.items() if key != _KEY and kind in _HELD[key]}
    if kind == "PNG" and "xmp" in options:
        options["pnginfo"] = _with_xmp(options.pop("xmp"))
    if _KEY in there and kind == "TIFF":
        directory = ImageFileDirectory_v2()
        for tag, (form, value) in there[_KEY].items():
            directory.tagtype[tag] = form
            directory[tag] = value
        options["tiffinfo"] = directory
    lost = [_NAMES[key] for key in there if kind not in _HELD[key]]
    return options, (f"{', '.join(lost)} not kept, for {path.suffix} files hold none",) if lost else ()


def _with_xmp(xmp: bytes | str) -> PngInfo:
    """Return XMP data as PNGs hold them (XMP specification, part 3)."""
    info = PngInfo()
    text = xmp if isinstance(xmp, str) else xmp.decode("utf-8", "replace")
    info.add_itxt("XML:com.adobe.xmp", text)
    return info
