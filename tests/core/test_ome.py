"""What OME-TIFFs say comes back in files that other programs read the same way."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from identity import identity

from instar.core import ome
from instar.core.formats import own_format
from instar.inference.request import TranslationRequest
from instar.inference.translate_files import translate_files

NAMES = ["DNA", "actin", "tubulin"]


def written(path: Path, axes: str, shape: tuple[int, ...], dtype: str, **said: Any) -> np.ndarray:
    pixels = (np.random.default_rng(0).random(shape) * np.iinfo(dtype).max).astype(dtype)
    metadata = {"axes": axes, "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeZ": 1.5, **said}
    photometric = "rgb" if axes.endswith("S") else "minisblack"
    tifffile.imwrite(path, pixels, photometric=photometric, tile=(64, 64), metadata=metadata)
    return pixels


@pytest.mark.parametrize("tile", [None, 64])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("YX", (70, 90)),
        ("ZYX", (4, 70, 90)),
        ("TYX", (3, 70, 90)),
        ("TZYX", (2, 3, 70, 90)),
        ("YXS", (70, 90, 3)),
        ("ZYXS", (3, 70, 90, 3)),
        ("CYX", (2, 70, 90)),
        ("ZCYX", (3, 2, 70, 90)),
        ("TZCYX", (2, 3, 2, 70, 90)),
    ],
)
def test_axes_names_and_sizes_come_back(
    axes: str, shape: tuple[int, ...], dtype: str, tile: int | None, tmp_path: Path
) -> None:
    bands = 3 if "S" in axes else 2 if "C" in axes else 1
    names = {} if "S" in axes else {"Channel": {"Name": NAMES[:bands]}}
    pixels = written(tmp_path / "a.ome.tif", axes, shape, dtype, **names)
    form = own_format(dtype, bands, bands)
    plain = bands != 2 and (dtype == "uint8" or bands == 1)
    model = identity(bands, () if plain else (form, form))
    request = TranslationRequest(
        inputs=(str(tmp_path / "a.ome.tif"),), out=tmp_path / "out", pages="all", metadata="keep", tile=tile
    )
    done = translate_files(model, request)
    assert not done.failed, done.failed
    assert "note" not in json.loads(done.manifest.read_text())
    one, other = (tifffile.TiffFile(tmp_path / folder / "a.ome.tif") for folder in (".", "out"))
    assert other.is_ome
    assert other.series[0].axes == one.series[0].axes
    assert np.array_equal(other.asarray(), pixels)
    expected, found = (ome.said(file.ome_metadata) for file in (one, other))
    assert found == expected
    assert found["PhysicalSizeXUnit"] == "µm"
    assert found["PhysicalSizeZ"] == 1.5


def test_one_page_of_several_is_a_picture(tmp_path: Path) -> None:
    pixels = written(tmp_path / "a.ome.tif", "ZCYX", (3, 2, 70, 90), "uint16", Channel={"Name": NAMES[:2]})
    form = own_format("uint16", 2, 2)
    request = TranslationRequest(inputs=(str(tmp_path / "a.ome.tif"),), out=tmp_path / "o", pages=2, metadata="keep")
    assert not translate_files(identity(2, (form, form)), request).failed
    with tifffile.TiffFile(tmp_path / "o/a.ome.tif") as found:
        assert np.array_equal(found.asarray(), pixels[1])
        assert ome.said(found.ome_metadata)["Channel"]["Name"] == NAMES[:2]


def test_what_is_no_xml_says_nothing() -> None:
    for text in ("", "<OME", "<OME></OME>", "ImageJ=1.5"):
        assert ome.said(text) == {}


def test_names_of_another_number_and_axes_of_other_pages_are_left_out() -> None:
    named = {"Channel": {"Name": NAMES}, "axes": "Z", "counts": (4,), "PhysicalSizeX": 0.5}
    shape, told = ome.layout(named, 3, 2, (70, 90))
    assert shape == (3, 2, 70, 90)
    assert told == {"photometric": "minisblack", "metadata": {"axes": "TCYX", "PhysicalSizeX": 0.5}}
