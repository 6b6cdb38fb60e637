"""TIFF files of any bands and types."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from instar.core import tiff
from instar.core.images import save
from instar.core.metadata import give, saved_with
from instar.core.raster import Raster
from instar.core.stack import Stack, read_all, save_all

TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


def pixels(dtype: str, bands: int) -> np.ndarray:
    values = np.random.default_rng(bands).random((13, 17, bands)) * 120
    return (values - 60 * (np.dtype(dtype).kind != "u")).astype(dtype)


@pytest.mark.parametrize(("dtype", "bands"), list(product(TYPES, (1, 2, 3, 4, 7))))
def test_pixels_are_read_as_they_were_written(dtype: str, bands: int, tmp_path: Path) -> None:
    path, written = tmp_path / "a.tif", pixels(dtype, bands)
    for inverted in (False, True) if bands == 1 else (False,):
        tiff.write(Raster(written, inverted=inverted), path, {})
        found, header = tiff.read(path), tiff.header(path)
        np.testing.assert_array_equal(found.pixels, written)
        assert (found.pixels.dtype, found.alpha, found.inverted) == (written.dtype, False, inverted)
        assert (header.width, header.height, header.bands, header.dtype) == (17, 13, bands, dtype)
        assert (header.alpha, header.inverted, header.pages) == (False, inverted, 1)


@pytest.mark.parametrize(("dtype", "bands"), [("uint16", 2), ("uint16", 4), ("uint8", 4), ("float32", 4)])
def test_opacity_is_told_from_bands(dtype: str, bands: int, tmp_path: Path) -> None:
    path, written = tmp_path / "a.tif", pixels(dtype, bands)
    tiff.write(Raster(written, alpha=True), path, {})
    found = tiff.read(path)
    np.testing.assert_array_equal(found.pixels, written)
    assert (found.alpha, tiff.header(path).bands) == (True, bands - 1)


def test_a_profile_is_kept(tmp_path: Path) -> None:
    tiff.write(Raster(pixels("uint16", 3), info={}), tmp_path / "a.tif", {"icc_profile": b"a profile"})
    assert tiff.read(tmp_path / "a.tif").info["icc_profile"] == b"a profile"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pages_are_turned_upright(orientation: int, tmp_path: Path) -> None:
    gray = np.random.default_rng(0).integers(0, 256, (5, 9), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", gray, extratags=[(274, "H", 1, orientation, True)])
    image = Image.fromarray(gray)
    image.getexif()[274] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    found, header = tiff.read(tmp_path / "a.tif").pixels[:, :, 0], tiff.header(tmp_path / "a.tif")
    np.testing.assert_array_equal(found, expected)
    assert (header.height, header.width) == expected.shape


def test_smaller_copies_are_no_pages(tmp_path: Path) -> None:
    whole = pixels("uint16", 4)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(whole, photometric="minisblack", planarconfig="contig", subfiletype=0)
        file.write(whole[::2, ::2], photometric="minisblack", planarconfig="contig", subfiletype=1)
    assert tiff.header(tmp_path / "a.tif").pages == 1


@pytest.mark.parametrize("options", [{"imagej": True}, {"ome": True}])
def test_pages_and_bands_of_stacks_are_told_apart(options: dict[str, bool], tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 65536, (2, 3, 4, 11, 12)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", stack, metadata={"axes": "TZCYX"}, **options)
    header = tiff.header(tmp_path / "a.tif")
    assert (header.pages, header.bands) == (6, 4)
    for number in range(6):
        found = tiff.read(tmp_path / "a.tif", number)
        np.testing.assert_array_equal(found.pixels, stack.reshape(6, 4, 11, 12)[number].transpose(1, 2, 0))


def test_half_floats_become_floats(tmp_path: Path) -> None:
    half = pixels("float32", 1).astype(np.float16)
    tifffile.imwrite(tmp_path / "a.tif", half[:, :, 0])
    found = tiff.read(tmp_path / "a.tif")
    assert found.pixels.dtype.name == tiff.header(tmp_path / "a.tif").dtype == "float32"
    np.testing.assert_array_equal(found.pixels, half)


def test_what_is_said_of_a_picture_is_kept(tmp_path: Path) -> None:
    scale, tie = (0.5, 0.5, 0.0), (0.0, 0.0, 0.0, 1000.0, 2000.0, 0.0)
    tags = [
        (33550, "d", 3, scale, True),
        (33922, "d", 6, tie, True),
        (34735, "H", 4, (1, 1, 0, 0), True),
        (34737, "s", 0, "WGS 84|", True),
        (42113, "s", 0, "-9999", True),
    ]
    options = {"photometric": "minisblack", "planarconfig": "contig", "extratags": tags, "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", pixels("int16", 4), resolution=(300, 150), resolutionunit="INCH", **options)
    raster = tiff.read(tmp_path / "a.tif")
    assert raster.info["dpi"] == (300, 150)
    result = Raster(pixels("float32", 4))
    save(result, tmp_path / "plain.tif")
    give(raster, result)
    save(result, tmp_path / "kept.tif")
    assert saved_with(result, tmp_path / "kept.tif")[1] == ()
    assert tiff.read(tmp_path / "plain.tif").info == {}
    assert tiff.read(tmp_path / "kept.tif").info == raster.info
    with tifffile.TiffFile(tmp_path / "kept.tif") as file:
        found = file.pages[0].tags
        assert (found[33550].value, found[34737].value, found[42113].value) == (scale, "WGS 84|", "-9999")


@pytest.mark.parametrize("pages", [1, 3])
def test_names_of_channels_and_sizes_of_pixels_are_kept(pages: int, tmp_path: Path) -> None:
    names = ["DAPI", "GFP", "RFP"]
    said = {"PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm"}
    stack = np.random.default_rng(0).integers(0, 65536, (pages, 3, 11, 12)).astype(np.uint16)
    metadata = {"axes": "TCYX", "Channel": {"Name": names}, **said}
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, photometric="minisblack", metadata=metadata)
    given = read_all(tmp_path / "a.ome.tif")
    whole = given.pages if isinstance(given, Stack) else (given,)
    results = tuple(Raster(page.pixels) for page in whole if isinstance(page, Raster))
    assert len(results) == pages
    for page, result in zip(whole, results, strict=True):
        give(page, result)
    if pages == 1:
        save(results[0], tmp_path / "b.tif")
    else:
        save_all(Stack(results), tmp_path / "b.tif")
    back = [tiff.read(tmp_path / "b.tif", number) for number in range(pages)]
    assert tiff.header(tmp_path / "b.tif").pages == pages
    for one, planes in zip(back, stack, strict=True):
        np.testing.assert_array_equal(one.pixels, planes.transpose(1, 2, 0))
        assert one.info == whole[0].info
        lies = {"axes": "T", "counts": (pages,)} if pages > 1 else {}
        assert one.info["instar.channels"] == {"Channel": {"Name": names}, **said, **lies}
    # Other numbers of bands have no names, but sizes.
    other = Raster(results[0].pixels[:, :, :2])
    give(whole[0], other)
    save(other, tmp_path / "c.tif")
    assert tiff.read(tmp_path / "c.tif").info["instar.channels"] == said
