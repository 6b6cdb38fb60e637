"""What goes through a model that changes nothing comes back as it was: type, depth, bands, opacity, range."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from identity import identity
from PIL import Image

from instar.core.formats import DomainFormat, own_format
from instar.core.images import save
from instar.core.raster import Raster
from instar.core.reading import read
from instar.inference.request import TranslationRequest
from instar.inference.translate_files import TranslationResult, translate_files
from instar.inference.translator import Translator

SHAPE = (24, 33)


def values(dtype: str, bands: int) -> np.ndarray:
    rng = np.random.default_rng(bands)
    if np.dtype(dtype).kind == "f":
        return rng.random((*SHAPE, bands)).astype(dtype)
    ends = np.iinfo(dtype)
    low = 0 if dtype == "int32" else max(ends.min, -30000)
    return rng.integers(low, min(ends.max, 30000) + 1, (*SHAPE, bands)).astype(dtype)


def pixels_of(path: Path) -> tuple[np.ndarray, str]:
    picture = read(path)
    found = picture.pixels if isinstance(picture, Raster) else np.asarray(picture).reshape(*SHAPE, -1)
    return found, picture.mode


def translated(model: Translator, out: Path, *files: Path, **options: object) -> TranslationResult:
    request = TranslationRequest(inputs=tuple(map(str, files)), out=out, **options)
    done = translate_files(model, request)
    assert not done.failed, done.failed
    return done


@pytest.mark.parametrize(
    ("dtype", "bands", "suffix", "alpha"),
    [
        ("uint16", 3, "png", False),
        ("uint16", 4, "png", True),
        ("uint16", 2, "png", True),
        ("uint16", 3, "tif", False),
        ("uint16", 4, "tif", True),
        ("uint16", 2, "tif", True),
        ("float32", 1, "tif", False),
        ("float32", 3, "tif", False),
        ("int32", 1, "tif", False),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_model_of_plain_images_gives_depth_and_opacity_back(
    dtype: str, bands: int, suffix: str, alpha: bool, channels: int, tmp_path: Path
) -> None:
    pixels = values(dtype, bands)
    if alpha:
        pixels[..., -1] = 65535  # opaque: what is over white cannot come back
        pixels[0, 0, -1] = 60000
        pixels[0, 0, :-1] = 65535
    save(Raster(pixels, alpha=alpha), tmp_path / f"a.{suffix}")
    done = translated(identity(channels), tmp_path / "out", tmp_path / f"a.{suffix}")
    found, mode = pixels_of(tmp_path / "out" / f"a.{suffix}")
    assert (mode, found.shape, done.notes) == (Raster(pixels, alpha=alpha).mode, pixels.shape, ())
    if channels == 3 or bands < 3:
        np.testing.assert_allclose(found, pixels, rtol=0, atol=1e-7 if dtype == "float32" else 0)
    else:
        np.testing.assert_array_equal(found[..., 0], found[..., 1])


@pytest.mark.parametrize("bands", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "int8"])
def test_bands_types_and_ranges_come_back(dtype: str, bands: int, tmp_path: Path) -> None:
    form = own_format(dtype, bands, bands)
    if dtype in ("int16", "int8"):
        form = DomainFormat(channels=bands, bands=bands, dtype=dtype, low=np.iinfo(dtype).min, high=np.iinfo(dtype).max)
    pixels = values(dtype, bands)
    save(Raster(pixels), tmp_path / "a.tif")
    model = identity(bands, (form, form))
    translated(model, tmp_path / "out", tmp_path / "a.tif")
    found, _ = pixels_of(tmp_path / "out" / "a.tif")
    assert found.dtype == pixels.dtype
    exact = dtype != "float32"
    np.testing.assert_allclose(found, pixels, rtol=0, atol=0 if exact else 1e-7)

    arrays = model.translate(np.stack([pixels, pixels[::-1]]))
    assert arrays.dtype == pixels.dtype
    np.testing.assert_allclose(arrays[1], pixels[::-1], rtol=0, atol=0 if exact else 1e-7)


def test_a_translation_has_the_range_and_type_of_the_target(tmp_path: Path) -> None:
    ct = DomainFormat(channels=1, bands=1, dtype="int16", low=-1000, high=2000)
    mr = DomainFormat(channels=1, bands=1, dtype="float32", low=0, high=4)
    pixels = np.linspace(-2000, 3000, 24 * 33).reshape(24, 33).astype(np.int16)
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    done = translated(identity(1, (ct, mr)), tmp_path / "out", tmp_path / "a.tif")
    assert any("values outside of -1000 to 2000, clipped: 1 image" in note for note in done.notes)
    found, mode = pixels_of(tmp_path / "out" / "a.tif")
    expected = (pixels.clip(-1000, 2000) + 1000.0) / 3000 * 4
    np.testing.assert_allclose(found[..., 0], expected, atol=1e-6)
    assert mode == "1 x float32"
    assert not translated(identity(1, (mr, ct)), tmp_path / "back", tmp_path / "out" / "a.tif").notes
    found, mode = pixels_of(tmp_path / "back" / "a.tif")
    np.testing.assert_array_equal(found[..., 0], pixels.clip(-1000, 2000))
    assert mode == "1 x int16"
    # The other direction of the same model: each domain has its own.
    translated(identity(1, (mr, ct)), tmp_path / "other", tmp_path / "a.tif", to="A")
    np.testing.assert_allclose(pixels_of(tmp_path / "other" / "a.tif")[0][..., 0], expected, atol=1e-6)


@pytest.mark.parametrize("tiled", [False, True])
def test_bands_of_different_units_come_back_in_those_of_the_target(tiled: bool, tmp_path: Path) -> None:
    ranges = ((0.0, 1.0), (0.0, 900.0), (-10.0, -40.0), (5.0, 6.0))
    form = DomainFormat(channels=4, bands=4, dtype="float32", low=-40, high=900, band_ranges=ranges)
    ends = np.array(ranges)
    unit = np.random.default_rng(0).random((120, 150, 4))
    pixels = (ends[:, 0] + unit * (ends[:, 1] - ends[:, 0])).astype(np.float32)
    pixels[0, 0, 1] = 1000
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", planarconfig="contig")
    options = {"tile": 64} if tiled else {}
    done = translated(identity(4, (form, form)), tmp_path / "same", tmp_path / "a.tif", **options)
    assert [note for note in done.notes if "clipped" in note] == [
        "band 2: values outside of 0 to 900, clipped: 1 image, a.tif first".replace("a.tif", str(tmp_path / "a.tif"))
    ]
    found = tifffile.imread(tmp_path / "same" / "a.tif")
    assert found.dtype == np.float32
    pixels[0, 0, 1] = 900
    np.testing.assert_allclose(found, pixels, rtol=1e-6, atol=1e-4)

    counts = DomainFormat(channels=4, bands=4, dtype="uint16", low=0, high=4095)
    translated(identity(4, (form, counts)), tmp_path / "other", tmp_path / "same" / "a.tif", **options)
    back = tifffile.imread(tmp_path / "other" / "a.tif")
    expected = (found - ends[:, 0]) / (ends[:, 1] - ends[:, 0]) * 4095
    np.testing.assert_allclose(back, expected, atol=0.51)


def test_integers_of_bands_with_ranges_of_their_own_come_back_bit_for_bit(tmp_path: Path) -> None:
    ranges = ((0.0, 4095.0), (255.0, 0.0), (-1000.0, 2000.0))
    form = DomainFormat(channels=3, bands=3, dtype="int16", low=-1000, high=4095, band_ranges=ranges)
    rng = np.random.default_rng(0)
    bands = [rng.integers(int(min(ends)), int(max(ends)) + 1, SHAPE) for ends in ranges]
    pixels = np.stack(bands, axis=2).astype(np.int16)
    save(Raster(pixels), tmp_path / "a.tif")
    model = identity(3, (form, form))
    done = translated(model, tmp_path / "out", tmp_path / "a.tif")
    assert not any("clipped" in note for note in done.notes)
    np.testing.assert_array_equal(pixels_of(tmp_path / "out" / "a.tif")[0], pixels)
    np.testing.assert_array_equal(model.translate(pixels), pixels)


def test_white_as_zero_stays_so(tmp_path: Path) -> None:
    pixels = values("uint16", 1)
    form = own_format("uint16", 1, 1, inverted=True)
    tifffile.imwrite(tmp_path / "a.tif", pixels[..., 0], photometric="miniswhite")
    translated(identity(1, (form, form)), tmp_path / "out", tmp_path / "a.tif")
    back = read(tmp_path / "out" / "a.tif")
    assert isinstance(back, Raster)
    assert back.inverted
    np.testing.assert_array_equal(back.pixels, pixels)
    # To a domain in which 0 is black the picture is the same, its numbers are not.
    translated(identity(1, (form, own_format("uint16", 1, 1))), tmp_path / "black", tmp_path / "a.tif")
    np.testing.assert_array_equal(pixels_of(tmp_path / "black" / "a.tif")[0], 65535 - pixels)
    np.testing.assert_array_equal(
        np.asarray(identity(1).translate(tmp_path / "a.tif").pixels), pixels
    )  # a plain model, too


def test_results_that_the_suffix_does_not_hold_become_tiffs(tmp_path: Path) -> None:
    Image.fromarray(values("uint8", 3)).save(tmp_path / "a.jpg")
    Image.fromarray(values("uint8", 3)).save(tmp_path / "b.png")
    colour, deep = own_format("uint8", 3, 3), own_format("uint16", 3, 3)
    translated(identity(3, (colour, deep)), tmp_path / "out", tmp_path / "a.jpg", tmp_path / "b.png")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.tif", "b.png", "manifest.jsonl"}
    assert pixels_of(tmp_path / "out" / "b.png")[1] == pixels_of(tmp_path / "out" / "a.tif")[1] == "3 x uint16"
    # A file that is named is written as it is called, and what that loses is said.
    done = translated(identity(3, (colour, deep)), tmp_path / "one.jpg", tmp_path / "a.jpg")
    assert any("hold no 3 x uint16" in note for note in done.notes)


def test_the_bands_of_an_input_must_be_those_of_the_model(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", values("uint16", 5), photometric="minisblack", planarconfig="contig")
    for model in (identity(3), identity(4, [own_format("uint16", 4, 4)] * 2)):
        done = translate_files(model, TranslationRequest(inputs=(str(tmp_path / "a.tif"),), out=tmp_path / "out"))
        assert "has 5 bands" in done.failed[0].reason
        assert json.loads((done.manifest).read_text())["mode"] == "5 x uint16"


def test_floats_without_a_range_are_refused_by_name(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", values("float32", 1)[..., 0] * 3 - 1)
    done = translate_files(identity(3), TranslationRequest(inputs=(str(tmp_path / "a.tif"),), out=tmp_path / "out"))
    assert "floating-point numbers from" in done.failed[0].reason
    assert "only 0 to 1 is taken" in done.failed[0].reason


def test_arrays_of_a_format_are_checked() -> None:
    model = identity(4, [own_format("uint16", 4, 4)] * 2)
    with pytest.raises(ValueError, match=r"\(H, W, 4\)"):
        model.translate(np.zeros((8, 8, 3), np.uint16))
    with pytest.raises(ValueError, match="integers or floats"):
        model.translate(np.zeros((8, 8, 4), np.complex64))
