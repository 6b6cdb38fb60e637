"""Formats found from training images, and trainings on images of any bands, types and ranges."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import instar
from instar.core.batch import Paired, Unpaired
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.core.images import save
from instar.core.raster import Raster
from instar.core.reading import read
from instar.core.run import read_config
from instar.data import open_data
from instar.data.open import Data


def write(folder: Path, pixels: np.ndarray) -> None:
    for number, one in enumerate(pixels):
        save(Raster(one if one.ndim == 3 else one[..., None]), folder / f"{number}.tif")


def opened(root: Path, channels: object = 3, kind: type = Unpaired, **options: object) -> Data:
    cfg = DataConfig(roots=(root,), size=24, zoom=1.0, holdout=0, flip=False, **options)
    return open_data(cfg, channels, kind, batch=2, seed=0)


def bands(count: int, dtype: str = "uint16", low: int = 0, high: int = 65536, images: int = 4) -> np.ndarray:
    rng = np.random.default_rng(count)
    return rng.integers(low, high, (images, 24, 24, count)).astype(dtype)


def test_plain_images_have_no_format(tmp_path: Path) -> None:
    for side in "AB":
        (tmp_path / f"train{side}").mkdir()
        for i in range(3):
            pixels = bands(3, "uint8", 0, 256)[i]
            Image.fromarray(pixels if side == "A" else pixels[..., 0].astype(np.uint16) * 200).save(
                tmp_path / f"train{side}" / f"{i}.png"
            )
    data = opened(tmp_path)
    assert all(form.plain for form in data.formats.values())
    assert [data.train.stores[side][0].dtype for side in "ab"] == [np.uint8, np.uint16]


def test_bands_and_types_are_kept_in_the_cache_and_scaled_in_batches(tmp_path: Path) -> None:
    a, b = bands(4), bands(4, "float32", 0, 2)
    write(tmp_path / "trainA", a)
    write(tmp_path / "trainB", b)
    each_time = opened(tmp_path, 4, cache_gb=1e-6)
    assert each_time.train.stores["a"].cached_bytes == 0
    data = opened(tmp_path, 4)
    forms = data.formats
    assert (forms["a"].dtype, forms["a"].bands, forms["a"].low, forms["a"].high) == ("uint16", 4, 0, 65535)
    assert (forms["b"].dtype, forms["b"].low, forms["b"].high) == ("float32", 0, 1)
    for side, pixels in (("a", a), ("b", b)):
        store = data.train.stores[side]
        assert store[0].dtype == pixels.dtype
        assert store.cached_bytes == pixels.nbytes
        np.testing.assert_array_equal(store[2], pixels[2])
    batch = data.train.batch(0)
    assert batch.a.shape == batch.b.shape == (2, 4, 24, 24)
    name = Path(batch.names[0]).stem
    np.testing.assert_allclose(batch.a[0].permute(1, 2, 0), a[int(name)] / 32767.5 - 1, atol=1e-6)
    # What does not fit into the cache is decoded each time, to the same values.
    assert torch.equal(each_time.train.batch(0).a, batch.a)
    assert torch.equal(opened(tmp_path, 4).train.batch(0).b, batch.b)


def test_ranges_are_given_measured_or_of_the_type(tmp_path: Path) -> None:
    ramp = np.linspace(-2000, 3000, 4 * 24 * 24).reshape(4, 24, 24).astype(np.int16)
    write(tmp_path / "trainA", ramp)
    write(tmp_path / "trainB", (ramp.astype(np.int32) + 2000).astype(np.uint16))
    data = opened(tmp_path, 1, range_a=(-1000.0, 2000.0))
    (said,) = (note for note in data.notes if note.startswith("A: "))
    assert "A: values from -2000 to 3000, the range is -1000 to 2000, as given; 40." in said
    assert (data.formats["b"].low, data.formats["b"].high) == (0, 65535)
    x = torch.cat([data.train.batch(step).a for step in range(2)])
    assert (float(x.min()), float(x.max())) == (-1, 1)

    data = opened(tmp_path, 1, percentiles=(10.0, 90.0))
    assert (data.formats["a"].low, data.formats["a"].high) == pytest.approx((-1500, 2500), abs=5)
    assert any("percentiles 10 and 90; 20" in note for note in data.notes)
    data = opened(tmp_path, 1, measure=True, range_a=(2000.0, -1000.0))
    assert data.formats["a"].inverted
    assert (data.formats["b"].low, data.formats["b"].high) == pytest.approx((5, 4995), abs=5)
    with pytest.raises(UserError, match="black and white are the same"):
        DataConfig(range_b=(3.0, 3.0))
    with pytest.raises(UserError, match="percentiles"):
        DataConfig(percentiles=(90.0, 10.0))


def test_12_bits_in_16_are_noted_unless_the_range_says_so(tmp_path: Path) -> None:
    for side in "AB":
        write(tmp_path / f"train{side}", bands(3, "uint16", 0, 4096))
    assert any("near black" in note for note in opened(tmp_path).notes)
    ranges = {"range_a": (0.0, 4095.0), "range_b": (0.0, 4095.0)}
    data = opened(tmp_path, **ranges)
    assert not any("near black" in note for note in data.notes)
    assert float(data.train.batch(0).a.max()) > 0.99


def test_other_bands_are_refused_with_the_remedy(tmp_path: Path) -> None:
    for side in "AB":
        write(tmp_path / f"train{side}", bands(4))
    with pytest.raises(UserError, match=r"0.tif has 4 bands.*set channels=4"):
        opened(tmp_path, 3)
    save(Raster(bands(5)[0]), tmp_path / "trainA" / "5.tif")
    with pytest.raises(UserError, match=r"1 of 5 images cannot be read.*has 5 bands"):
        opened(tmp_path, 4)
    assert len(opened(tmp_path, 4, max_bad=0.3).train.stores["a"]) == 4


def test_opacity_may_be_a_channel(tmp_path: Path) -> None:
    for side in "AB":
        (tmp_path / f"train{side}").mkdir()
        for i in range(3):
            Image.fromarray(bands(4, "uint8", 0, 256)[i]).save(tmp_path / f"train{side}" / f"{i}.png")
    data = opened(tmp_path, 4)
    np.testing.assert_array_equal(data.train.stores["a"][1], bands(4, "uint8", 0, 256)[1])
    assert all(form.plain for form in opened(tmp_path, 3).formats.values())


@pytest.mark.parametrize(
    ("name", "bands", "method"),
    [
        ("cut", 4, {}),
        ("pix2pix", 4, {}),
        ("pix2pix", 1, {"target_channels": 1}),
        ("cyclegan", 1, {"target_channels": 1, "identity": 0.0}),
    ],
)
def test_a_training_on_bands_is_resumed_and_translates(
    name: str, bands: int, method: dict[str, Any], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(100, 3000, (6, 32, 32, 4)).astype(np.uint16)
    for split, part in (("train", a[:4]), ("test", a[4:])):
        write(tmp_path / f"{split}A", part)
        write(tmp_path / f"{split}B", part[..., :bands].astype(np.float32) * 2 - 500)
    options = {"range_a": (0.0, 4095.0)}
    train = {"steps": 4, "device": "cpu", "channels": 4, "preset": "tiny"}
    whole = instar.train(
        name, tmp_path, out=tmp_path / "whole", data=options, method=method, train={"save_every": 2, "keep": 0}, **train
    )
    assert any("the range is 0 to 4095, as given; no value lies outside" in note for note in whole.notes)
    config = read_config(tmp_path / "whole" / "config.yaml")
    assert [form.dtype for form in config.formats] == ["uint16", "float32"]
    assert config.formats[1].low == pytest.approx(-300, abs=60)

    # The range stays that of the beginning when a run goes on.
    instar.resume(whole.run / "checkpoints" / "step-000000002", allow_changes=True)
    assert read_config(tmp_path / "whole" / "config.yaml").formats == config.formats

    done = instar.translate(whole.run, tmp_path / "testA", tmp_path / "out")
    assert not done.failed
    result = read(tmp_path / "out" / "0.tif")
    assert isinstance(result, Raster)
    assert (result.mode, result.size) == (f"{bands} x float32", (32, 32))
    made = instar.load(whole.run).translate(a[4])
    np.testing.assert_allclose(made, result.pixels, atol=1e-2)
    with Image.open(whole.samples) as picture:
        assert picture.mode == "RGB"


def test_pairs_keep_their_own_types(tmp_path: Path) -> None:
    a = bands(2)
    write(tmp_path / "trainA", a)
    write(tmp_path / "trainB", a.astype(np.float32) / 65535)
    data = opened(tmp_path, 2, kind=Paired)
    assert [data.train.stores[side][0].dtype for side in "ab"] == [np.uint16, np.float32]
    batch = data.train.batch(0)
    np.testing.assert_allclose(batch.a, batch.b, atol=1e-6)
    samples = data.samples(3)
    assert samples.a.shape[1] == 2


def test_ranges_of_other_numbers_of_domains() -> None:
    cfg = DataConfig(ranges=(0.0, 1.0, 5.0, 4.0, -1.0, 1.0))
    three = dict.fromkeys("abc", 2)
    assert cfg.ranges_of(three) == {"a": ((0, 1),), "b": ((5, 4),), "c": ((-1, 1),)}
    each = replace(cfg, ranges=(0.0, 1.0, 2.0, 3.0, 5.0, 4.0, 6.0, 7.0, -1.0, 1.0, -2.0, 2.0)).ranges_of(three)
    assert each == {"a": ((0, 1), (2, 3)), "b": ((5, 4), (6, 7)), "c": ((-1, 1), (-2, 2))}
    assert DataConfig().ranges_of(three) == dict.fromkeys("abc", ())
    with pytest.raises(UserError, match=r"give data\.range_a"):
        cfg.ranges_of(dict.fromkeys("ab", 2))
    with pytest.raises(UserError, match="two numbers for each"):
        replace(cfg, ranges=(0.0, 1.0)).ranges_of(three)
    with pytest.raises(UserError, match=r"data\.ranges"):
        DataConfig(range_a=(0.0, 1.0)).ranges_of(three)


def test_ranges_are_pairs_for_all_bands_or_for_each() -> None:
    for name in ("range_a", "range_b", "ranges"):
        for values, why in (((), "give two values"), ((0.0, 1.0, 2.0), "give two"), ((0.0, 1.0, 2.0, 2.0), "the same")):
            with pytest.raises(UserError, match=rf"{name}.*{why}"):
                DataConfig(**{name: values})
    two = DataConfig(range_b=(0.0, 1.0, 2.0, 3.0))
    assert two.ranges_of({"a": 3, "b": 2}) == {"a": (), "b": ((0, 1), (2, 3))}
    with pytest.raises(UserError, match="4 values; give two values, or two for each of 3 channels"):
        two.ranges_of({"a": 3, "b": 3})


UNITS = np.array([1.0, 1000.0, -40.0])
"""Of three bands: a share, millimetres, degrees below zero."""


def in_units(images: int = 4) -> np.ndarray:
    return (np.random.default_rng(0).random((images, 24, 24, 3)) * UNITS).astype(np.float32)


def test_each_band_has_a_range_of_its_own_if_it_is_to(tmp_path: Path) -> None:
    a = in_units()
    write(tmp_path / "trainA", a)
    write(tmp_path / "trainB", a[..., ::-1])
    one = opened(tmp_path)
    assert not one.formats["a"].band_ranges
    assert (one.formats["a"].low, one.formats["a"].high) == pytest.approx((-39.9, 998), abs=1)

    given = (0.0, 1.0, 0.0, 900.0, 0.0, -40.0)
    data = opened(tmp_path, range_a=given, per_band=True, percentiles=(1.0, 99.0))
    form = data.formats["a"]
    assert form.band_ranges == ((0, 1), (0, 900), (0, -40))
    assert (form.low, form.high) == (-40, 900)
    measured = [np.percentile(band, (1, 99)) for band in a.reshape(-1, 3).T]
    np.testing.assert_allclose(data.formats["b"].band_ranges[::-1], measured, rtol=1e-6)
    said = [note for note in data.notes if note.startswith("A, band ")]
    assert [note.split(", the range is ")[1].split(", as given; ")[0] for note in said] == [
        "0 to 1",
        "0 to 900",
        "0 to -40",
    ]
    outside = (a[..., 1] > 900).mean()
    assert "no value lies outside" in said[0]
    assert f"{outside:.2%} of the values lie outside" in said[1]
    assert sum("B, band" in note and "percentiles 1 and 99; 2." in note for note in data.notes) == 3

    batch = data.train.batch(0)
    number = int(Path(batch.names[0]).stem)
    np.testing.assert_allclose(batch.a[0].permute(1, 2, 0), (a[number] / (1, 900, -40) * 2 - 1).clip(-1, 1), atol=1e-5)
    assert torch.equal(opened(tmp_path, range_a=given, per_band=True, cache_gb=1e-6).train.batch(0).a, batch.a)


def test_a_range_of_all_bands_is_measured_of_all(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    # As many values as are looked at, a multiple of the bands: steps over single values would see one band alone.
    large = (rng.random((2, 256, 256, 4)) * (1, 10, 100, 1000)).astype(np.float32)
    write(tmp_path / "trainA", large)
    write(tmp_path / "trainB", large)
    form = opened(tmp_path, 4).formats["a"]
    assert form.high == pytest.approx(np.percentile(large, 99.9), rel=0.01)


def test_a_band_without_numbers_does_not_end_a_training(tmp_path: Path) -> None:
    pixels = in_units()
    pixels[..., 1] = np.nan
    write(tmp_path / "trainA", pixels)
    write(tmp_path / "trainB", pixels)
    data = opened(tmp_path, per_band=True)
    assert data.formats["a"].band_ranges[1] == (0, 1)
    assert any(note.startswith("A, band 2: no value is a number, the range is 0 to 1") for note in data.notes)
    assert (data.train.batch(0).a[:, 1] == -1).all()


def test_ranges_of_bands_need_as_many_bands(tmp_path: Path) -> None:
    gray = bands(1, "float32", 0, 5)
    write(tmp_path / "trainA", gray)
    write(tmp_path / "trainB", gray)
    with pytest.raises(UserError, match="have 1 band, for 3 channels; give one range, not 3, or channels=1"):
        opened(tmp_path, range_a=(0.0, 1.0, 0.0, 2.0, 0.0, 3.0))
    assert not opened(tmp_path, per_band=True).formats["a"].band_ranges


def test_a_training_on_bands_of_different_units_is_resumed_and_gives_them_back(tmp_path: Path) -> None:
    a = in_units(6)
    for split, part in (("train", a[:4]), ("test", a[4:])):
        write(tmp_path / f"{split}A", part)
        write(tmp_path / f"{split}B", part[..., ::-1])
    done = instar.train(
        "pix2pix",
        tmp_path,
        out=tmp_path / "run",
        preset="tiny",
        data={"per_band": True},
        train={"save_every": 2, "keep": 0},
        steps=4,
        device="cpu",
    )
    config = read_config(tmp_path / "run" / "config.yaml")
    assert [len(form.band_ranges) for form in config.formats] == [3, 3]
    instar.resume(done.run / "checkpoints" / "step-000000002", allow_changes=True)
    assert read_config(tmp_path / "run" / "config.yaml").formats == config.formats

    assert not instar.translate(done.run, tmp_path / "testA", tmp_path / "out").failed
    made = read(tmp_path / "out" / "0.tif")
    assert isinstance(made, Raster)
    for band, ends in enumerate(config.formats[1].band_ranges):
        assert min(ends) - 1e-3 <= made.pixels[..., band].min() <= made.pixels[..., band].max() <= max(ends) + 1e-3
    np.testing.assert_allclose(instar.load(done.run).translate(a[4]), made.pixels, rtol=1e-3, atol=1e-2)
