from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instar.core.images import save
from instar.core.modes import HELD, fit_for
from instar.core.reading import read

rng = np.random.default_rng(0)
RGB = Image.fromarray(rng.integers(0, 256, (9, 14, 3), dtype=np.uint8))
IMAGES = {mode: RGB.convert(mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "F")}
IMAGES["RGBA"].putalpha(RGB.convert("L"))
IMAGES["LA"].putalpha(RGB.convert("L"))
IMAGES["F"] = Image.fromarray(rng.random((9, 14), dtype=np.float32))
IMAGES["I;16"] = Image.fromarray(rng.integers(0, 65536, (9, 14), dtype=np.uint16))
IMAGES["I;16B"] = Image.frombytes("I;16B", (14, 9), IMAGES["I;16"].tobytes())
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "AVIF": ".avif", "JPEG2000": ".jp2", "TIFF": ".tif",
            "BMP": ".bmp", "GIF": ".gif", "PPM": ".ppm"}  # fmt: skip


def test_formats_are_tested_here() -> None:
    assert {*SUFFIXES, "DICOM"} == set(HELD)  # which is written of DICOM files alone


@pytest.mark.parametrize("kind", SUFFIXES)
@pytest.mark.parametrize("mode", IMAGES)
def test_every_mode_can_be_saved_under_every_suffix(kind: str, mode: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{SUFFIXES[kind]}"
    fitted, words = fit_for(IMAGES[mode], path)
    save(fitted, path)
    back = read(path)
    assert back.size == RGB.size
    assert bool(words) == (mode not in HELD[kind])
    bits = {"I": 16, "I;16": 16, "I;16B": 16} if kind != "TIFF" else {"I": "1 x int32", "F": "1 x float32"}
    if kind != "GIF" and fitted.mode != "1":
        assert bits.get(back.mode, back.mode) == bits.get(fitted.mode, fitted.mode)
    if words:
        assert words == (f"{mode} saved as {fitted.mode}, for {path.suffix} files hold no {mode}",)


def test_16_bits_become_8_by_their_share_of_the_range(tmp_path: Path) -> None:
    wide = Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16))
    fitted, _ = fit_for(wide, tmp_path / "a.jpg")
    assert np.asarray(fitted).tolist() == [[0, 1, 128, 255]]


def test_transparency_lies_over_white_where_it_cannot_be_kept(tmp_path: Path) -> None:
    image = Image.new("RGBA", (2, 1), (10, 20, 30, 0))
    image.putpixel((1, 0), (10, 20, 30, 255))
    assert np.asarray(fit_for(image, tmp_path / "a.jpg")[0]).tolist() == [[[255, 255, 255], [10, 20, 30]]]
    kept, _ = fit_for(image, tmp_path / "a.gif")
    assert np.asarray(kept.convert("RGBA").getchannel("A")).tolist() == [[0, 255]]


def test_a_colour_profile_stays_with_its_colours(tmp_path: Path) -> None:
    image = RGB.convert("RGBA")
    image.info["icc_profile"] = b"profile"
    assert fit_for(image, tmp_path / "a.jpg")[0].info["icc_profile"] == b"profile"
    ink = RGB.convert("CMYK")
    ink.info["icc_profile"] = b"profile"
    assert "icc_profile" not in fit_for(ink, tmp_path / "a.png")[0].info
