"""What OME-TIFFs say of their pictures: names of channels, sizes of pixels, which way their pages lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any
from xml.etree import ElementTree

_AXES, _COUNTS, _SAMPLES = "axes", "counts", "samples"
"""Along which axes pages lie, how many there are along each, and whether colours of a pixel lie side by side."""
_OWN = (_AXES, _COUNTS, _SAMPLES, "Channel")


def is_ome(text: str) -> bool:
    """Tell whether the description of a TIFF is OME-XML."""
    return "<OME" in text


def said(text: str) -> dict[str, Any]:
    """Return what OME-XML says, as tifffile takes it and `layout` reads it; nothing if it is broken."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return {}
    pixels = next((one for one in root.iter() if one.tag.endswith("}Pixels")), None)
    if pixels is None:
        return {}
    found: dict[str, Any] = {key: value for key, value in pixels.attrib.items() if key.startswith("PhysicalSize")}
    found |= {key: float(value) for key, value in found.items() if not key.endswith("Unit")}
    channels = [one.attrib for one in pixels if one.tag.endswith("}Channel")]
    names = [one.get("Name") for one in channels]
    if names and all(names):
        found["Channel"] = {"Name": names}
    if not found:
        return {}
    order = pixels.attrib.get("DimensionOrder", "XYCZT")
    counts = {axis: int(pixels.attrib.get(f"Size{axis}", 1)) for axis in reversed(order) if axis in "ZT"}
    several = {axis: count for axis, count in counts.items() if count > 1}
    if several:
        found |= {_AXES: "".join(several), _COUNTS: tuple(several.values())}
    if len(channels) == 1 and channels[0].get("SamplesPerPixel") == "3":
        found[_SAMPLES] = True
    return found


def is_interleaved(named: Mapping[str, Any], bands: int) -> bool:
    """Tell whether the colours of a pixel lie side by side, not each in a directory of its own."""
    return bands == 3 and bool(named.get(_SAMPLES))


def layout(
    named: Mapping[str, Any], pages: int, bands: int, size: Sequence[int]
) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Return the shape in which pages (pages, bands, H, W) are written, and how tifffile is told.

    Args:
        named: of `said`. Names are written if they are as many as bands, axes if they hold as many pages.
        pages: how many.
        bands: how many.
        size: height and width.

    Returns:
        (..., C, H, W), or (..., H, W, 3) if they are interleaved, and options of `TiffWriter.write`.
    """
    counts, axes = tuple(named.get(_COUNTS, ())), named.get(_AXES, "")
    if not counts or prod(counts) != pages:
        counts, axes = (pages,), "T"
    kept = {key: value for key, value in named.items() if key not in _OWN}
    colours = is_interleaved(named, bands)
    if len(named.get("Channel", {}).get("Name", ())) == (1 if colours else bands):
        kept["Channel"] = named["Channel"]
    if colours:
        return (*counts, *size, bands), {"photometric": "rgb", "metadata": {"axes": f"{axes}YXS", **kept}}
    return (*counts, bands, *size), {"photometric": "minisblack", "metadata": {"axes": f"{axes}CYX", **kept}}
