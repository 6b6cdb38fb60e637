from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from instar.core.images import save
from instar.core.metadata import give, saved_with
from instar.core.modes import fit_for
from instar.core.reading import read

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8))


def with_place(path: Path) -> Path:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8825)[1] = "N"
    PICTURE.save(path, exif=exif, dpi=(300, 300))
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tif"])
def test_what_is_given_is_kept_and_nothing_else(suffix: str, tmp_path: Path) -> None:
    image = read(with_place(tmp_path / "in.jpg"))
    result = PICTURE.copy()
    give(image, result)
    for name, picture in (("kept", result), ("plain", image)):
        save(picture, tmp_path / f"{name}.{suffix}")
    with Image.open(tmp_path / f"kept.{suffix}") as kept:
        assert kept.getexif()[0x010F] == "Maker"
        assert kept.getexif().get_ifd(0x8825)[1] == "N"
        if suffix in ("jpg", "png", "tif"):
            assert [round(float(number)) for number in kept.info["dpi"]] == [300, 300]
    with Image.open(tmp_path / f"plain.{suffix}") as plain:
        assert 0x010F not in plain.getexif()
        assert not plain.getexif().get_ifd(0x8825)


def test_what_a_format_cannot_hold_is_said(tmp_path: Path) -> None:
    result = PICTURE.copy()
    give(read(with_place(tmp_path / "in.jpg")), result)
    assert saved_with(result, tmp_path / "a.jpg")[1] == ()
    assert saved_with(result, tmp_path / "a.bmp")[1] == ("EXIF data not kept, for .bmp files hold none",)
    assert saved_with(result, tmp_path / "a.gif")[1] == ("EXIF data, resolution not kept, for .gif files hold none",)
    assert saved_with(fit_for(result, tmp_path / "a.gif")[0], tmp_path / "a.jpg")[0].keys() == {"exif", "dpi"}
    assert saved_with(PICTURE, tmp_path / "a.gif") == ({}, ())


def test_a_georeference_is_kept(tmp_path: Path) -> None:
    scale, tie = (0.5, 0.5, 0.0), (0.0, 0.0, 0.0, 1000.0, 2000.0, 0.0)
    tags = [(33550, "d", 3, scale, True), (33922, "d", 6, tie, True), (34735, "H", 4, (1, 1, 0, 0), True)]
    tifffile.imwrite(tmp_path / "in.tif", np.asarray(PICTURE), photometric="rgb", extratags=tags)
    result = PICTURE.copy()
    give(read(tmp_path / "in.tif"), result)
    save(result, tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        found = file.pages[0].tags
        assert (found[33550].value, found[33922].value, found[34735].value) == (scale, tie, (1, 1, 0, 0))
    save(read(tmp_path / "in.tif"), tmp_path / "plain.tif")
    with tifffile.TiffFile(tmp_path / "plain.tif") as file:
        assert 33550 not in file.pages[0].tags


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif"])
@pytest.mark.parametrize("source", ["jpg", "png", "webp"])
def test_xmp_data_are_kept(source: str, suffix: str, tmp_path: Path) -> None:
    xmp = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>süß</a></x:xmpmeta>'.encode()
    start, result = PICTURE.copy(), PICTURE.copy()
    give(Image.new("RGB", (1, 1)), start)
    start.info["instar.metadata"] = {"xmp": xmp}
    save(start, tmp_path / f"in.{source}")
    image = read(tmp_path / f"in.{source}")
    give(image, result)
    assert saved_with(result, tmp_path / f"out.{suffix}")[1] == ()
    save(result, tmp_path / f"out.{suffix}")
    save(PICTURE.copy(), tmp_path / f"plain.{suffix}")
    for name, expected in (("in." + source, xmp), ("out." + suffix, xmp), ("plain." + suffix, None)):
        with Image.open(tmp_path / name) as found:
            found.load()
            assert (found.info.get("xmp") or None) == expected
