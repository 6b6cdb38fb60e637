"""PNG files of 16 bits in colour: a second implementation, imagecodecs', reads and writes them too."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instar.core import png
from instar.core.raster import Raster

BANDS = (2, 3, 4)


def pixels(bands: int) -> np.ndarray:
    """Smooth and rough values, so that an encoder uses all filters."""
    rng = np.random.default_rng(bands)
    rough = rng.integers(0, 65536, (37, 53, bands))
    return np.where(rng.random((37, 53, 1)) < 0.5, rough, np.cumsum(rough // 3000, 1)).astype(np.uint16)


@pytest.mark.parametrize("bands", BANDS)
def test_another_encoder_is_read(bands: int, tmp_path: Path) -> None:
    codecs = pytest.importorskip("imagecodecs")
    for level in (0, 9):
        (tmp_path / "a.png").write_bytes(codecs.png_encode(pixels(bands), level=level))
        image = Image.open(tmp_path / "a.png")
        assert png.is_deep(image)
        assert png.bands(image) == (bands - (bands != 3), bands != 3)
        found = png.read(image, Image.open(tmp_path / "a.png"))
        np.testing.assert_array_equal(found.pixels, pixels(bands))
        assert found.alpha == (bands != 3)


@pytest.mark.parametrize("bands", BANDS)
def test_another_decoder_reads_what_is_written(bands: int, tmp_path: Path) -> None:
    codecs = pytest.importorskip("imagecodecs")
    png.write(Raster(pixels(bands), alpha=bands != 3), tmp_path / "a.png", {})
    np.testing.assert_array_equal(codecs.png_decode((tmp_path / "a.png").read_bytes()), pixels(bands))


@pytest.mark.parametrize("bands", BANDS)
def test_pixels_come_back_with_what_is_said_of_them(bands: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[271] = "a camera"
    options = {"icc_profile": b"a profile", "dpi": (300.0, 150.0), "exif": exif.tobytes()}
    png.write(Raster(pixels(bands), alpha=bands != 3), tmp_path / "a.png", options)
    image = Image.open(tmp_path / "a.png")
    found = png.read(image, Image.open(tmp_path / "a.png"))
    np.testing.assert_array_equal(found.pixels, pixels(bands))
    assert found.info["icc_profile"] == b"a profile"
    assert found.info["dpi"] == pytest.approx((300, 150), abs=0.02)
    with Image.open(tmp_path / "a.png") as again:
        again.load()
        assert again.getexif()[271] == "a camera"


def test_pixels_are_turned_as_exif_data_say(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    png.write(Raster(pixels(3)), tmp_path / "a.png", {"exif": exif.tobytes()})
    found = png.read(*(Image.open(tmp_path / "a.png") for _ in range(2)))
    np.testing.assert_array_equal(found.pixels, np.rot90(pixels(3), -1))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1", "I;16"])
def test_what_pillow_holds_is_not_deep(mode: str, tmp_path: Path) -> None:
    Image.new(mode, (4, 4)).save(tmp_path / "a.png")
    assert not png.is_deep(Image.open(tmp_path / "a.png"))
