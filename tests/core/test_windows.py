"""Windows of TIFFs are parts of what the whole file is read as, and parts that are written become the whole."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from instar.core import metadata
from instar.core.raster import Picture, Raster
from instar.core.rasters import as_raster
from instar.core.reading import read
from instar.core.windows import TiffWriting, open_windows

rng = np.random.default_rng(0)


def pixels(dtype: str, *bands: int) -> NDArray[Any]:
    values = rng.uniform(0, 1, (150, 210, *bands))
    return (values if dtype.startswith("float") else values * np.iinfo(dtype).max).astype(dtype)


def same(one: Picture, other: Picture) -> bool:
    return one.mode == other.mode and np.array_equal(as_raster(one).pixels, as_raster(other).pixels)


GRAY, COLOUR = {"photometric": "minisblack"}, {"photometric": "rgb"}
BANDS = {"photometric": "minisblack", "planarconfig": "contig"}
ALPHA = {"photometric": "rgb", "extrasamples": ["unassalpha"]}
TILED = [{"tile": (64, 48)}, {"tile": (64, 48), "compression": "zlib"}, {"rowsperstrip": 7}, {}]
KINDS: list[tuple[NDArray[Any], dict[str, Any]]] = [
    (pixels("uint8"), GRAY),
    (pixels("uint8", 3), COLOUR),
    (pixels("uint8", 4), ALPHA),
    (pixels("uint16"), GRAY),
    (pixels("uint16"), {**GRAY, "byteorder": ">"}),
    (pixels("uint16", 3), COLOUR),
    (pixels("uint16", 4), ALPHA),
    (pixels("uint16"), {"photometric": "miniswhite"}),
    (pixels("uint16", 4), BANDS),
    (pixels("uint8", 6), BANDS),
    (pixels("int16"), GRAY),
    (pixels("int32", 2), {**BANDS, "byteorder": ">"}),
    (pixels("float32"), GRAY),
    (pixels("float32", 5), BANDS),
    (pixels("float16"), GRAY),
]


def written(path: Path, values: NDArray[Any], how: dict[str, Any]) -> Path:
    order = how.get("byteorder")
    with tifffile.TiffWriter(path, byteorder=order) as file:
        file.write(values, metadata=None, **{key: value for key, value in how.items() if key != "byteorder"})
    return path


@pytest.mark.parametrize("tiling", TILED, ids=str)
@pytest.mark.parametrize(("values", "how"), KINDS, ids=lambda one: str(getattr(one, "dtype", one)))
def test_a_window_is_a_part_of_what_is_read(
    values: NDArray[Any], how: dict[str, Any], tiling: dict[str, Any], tmp_path: Path
) -> None:
    path = written(tmp_path / "x.tif", values, {**how, **tiling})
    whole = read(path)
    windows = open_windows(path)
    assert windows is not None
    with windows:
        assert windows.mode.replace(";16B", ";16") == str(whole.mode).replace(";16B", ";16")
        for top, left, bottom, right in [(0, 0, 150, 210), (3, 5, 4, 6), (60, 40, 130, 205), (149, 0, 150, 210)]:
            part = windows.window(top, left, bottom, right)
            expected = whole.crop((left, top, right, bottom))
            assert np.array_equal(as_raster(part).pixels, as_raster(expected).pixels)
            assert isinstance(part, Raster) == isinstance(whole, Raster)
            if isinstance(part, Raster) and isinstance(expected, Raster):
                assert (part.alpha, part.inverted) == (expected.alpha, expected.inverted)


def test_bands_in_directories_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "x.ome.tif"
    values = np.moveaxis(pixels("uint16", 4), 2, 0)
    names = {"axes": "CYX", "Channel": {"Name": ["a", "b", "c", "d"]}}
    tifffile.imwrite(path, values, tile=(64, 64), photometric="minisblack", metadata=names, ome=True)
    whole, windows = read(path), open_windows(path)
    assert windows is not None
    with windows:
        assert same(windows.window(10, 20, 100, 200), whole.crop((20, 10, 200, 100)))
        assert windows.info[metadata.CHANNELS] == whole.info[metadata.CHANNELS]


def test_the_page_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    with tifffile.TiffWriter(path) as file:
        for _ in range(3):
            file.write(pixels("uint8", 3), photometric="rgb", tile=(64, 64), metadata=None)
    windows = open_windows(path, 2)
    assert windows is not None
    with windows:
        assert same(windows.window(0, 0, 150, 210), read(path, 2))
        assert windows.header.pages == 3
    assert open_windows(path, 3) is None


@pytest.mark.parametrize("kind", ["palette", "turned", "white", "planes", "png", "broken"])
def test_what_must_be_read_whole(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    gray = Image.fromarray(pixels("uint8"))
    if kind == "palette":
        gray.convert("P").save(path)
    elif kind == "turned":
        tifffile.imwrite(path, pixels("uint8"), metadata=None, extratags=[(274, "H", 1, 6, True)])
    elif kind == "white":
        tifffile.imwrite(path, pixels("uint8"), photometric="miniswhite", metadata=None)
    elif kind == "planes":
        tifffile.imwrite(path, pixels("uint8", 3).transpose(2, 0, 1).copy(), photometric="rgb", metadata=None)
    elif kind == "png":
        gray.save(path, format="PNG")
    else:
        path.write_bytes(b"II*\0 and no more")
    assert open_windows(path) is None


@pytest.mark.parametrize("step", [(64, 64), (7, 210), (100, 33)])
@pytest.mark.parametrize(("values", "how"), KINDS, ids=lambda one: str(getattr(one, "dtype", one)))
def test_parts_that_are_written_are_the_whole(
    values: NDArray[Any], how: dict[str, Any], step: tuple[int, int], tmp_path: Path
) -> None:
    whole = read(written(tmp_path / "x.tif", values, how))
    with TiffWriting(tmp_path / "out.tif", (150, 210), whole.crop((0, 0, 1, 1)), {}) as out:
        for top in range(0, 150, step[0]):
            for left in range(0, 210, step[1]):
                box = (left, top, min(left + step[1], 210), min(top + step[0], 150))
                out.write(top, left, whole.crop(box))
    again = read(tmp_path / "out.tif")
    assert np.array_equal(as_raster(again).pixels, as_raster(whole).pixels)
    assert str(again.mode).replace(";16B", ";16") == str(whole.mode).replace(";16B", ";16")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.pages[0].is_tiled


def test_names_of_channels_are_kept(tmp_path: Path) -> None:
    named = {"Channel": {"Name": ["a", "b"]}, "PhysicalSizeX": 0.5}
    values = pixels("uint16", 2)
    with TiffWriting(tmp_path / "x.tif", (150, 210), Raster(values), {metadata.CHANNELS: named}) as out:
        out.write(0, 0, Raster(values))
    again = read(tmp_path / "x.tif")
    assert same(again, Raster(values))
    assert again.info[metadata.CHANNELS] == named
