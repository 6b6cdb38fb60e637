"""Masks and label maps beside inputs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from instar.core.errors import UserError
from instar.core.formats import DomainFormat
from instar.core.images import to_tensor, to_values
from instar.core.listing import without_suffix
from instar.core.raster import Raster
from instar.core.reading import read
from instar.inference.companions import Companions, hidden, outside_kept, read_companion
from instar.inference.jobs import Job

rng = np.random.default_rng(0)
MODES = ("L", "LA", "RGB", "RGBA", "CMYK", "I;16", "I", "F")


def picture(mode: str, width: int = 9, height: int = 7) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 65536, (height, width), dtype=np.uint16))
    if mode == "I":
        return Image.fromarray(rng.integers(0, 65536, (height, width), dtype=np.int32))
    if mode == "F":
        return Image.fromarray(rng.random((height, width), dtype=np.float32))
    bands = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(
        mode, (width, height), rng.integers(0, 256, width * height * bands, dtype=np.uint8).tobytes()
    )


def mask(path: Path, values: np.ndarray) -> Path:
    Image.fromarray(values.astype(np.uint8)).save(path)
    return path


@pytest.mark.parametrize("mode", MODES)
def test_outside_is_the_input_and_inside_the_translation_bit_for_bit(mode: str, tmp_path: Path) -> None:
    one, other = picture(mode), picture(mode)
    inside = rng.integers(0, 2, (7, 9)).astype(bool)
    found = outside_kept(one, other, read(mask(tmp_path / "m.png", inside * 255)))
    assert found.mode == mode
    result, before, after = (np.asarray(image) for image in (found, one, other))
    assert np.array_equal(result[~inside], before[~inside])
    assert np.array_equal(result[inside], after[inside])


@pytest.mark.parametrize("mode", [*MODES, "1", "P"])
def test_what_is_hidden_is_nothing_to_the_network(mode: str, tmp_path: Path) -> None:
    image = picture("RGB").quantize(8) if mode == "P" else picture("L").convert("1") if mode == "1" else picture(mode)
    inside = rng.integers(0, 2, (7, 9)).astype(bool)
    form = DomainFormat(channels=3)
    found = hidden(image, read(mask(tmp_path / "m.png", inside * 255)), form)
    before, after = (to_tensor(to_values(one, form)) for one in (image, found))
    assert after[:, torch.from_numpy(~inside)].abs().max() < 1.01 / 255  # half a grey level
    assert torch.equal(after[:, torch.from_numpy(inside)], before[:, torch.from_numpy(inside)])


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "float32"])
def test_what_is_hidden_lies_in_the_middle_of_a_range(kind: str, tmp_path: Path) -> None:
    pixels = rng.integers(0, 200, (7, 9, 4)).astype(kind)
    inside = rng.integers(0, 2, (7, 9)).astype(bool)
    form = DomainFormat(channels=4, bands=4, dtype=kind, low=-1000, high=1300)
    found = hidden(Raster(pixels), read(mask(tmp_path / "m.png", inside * 255)), form)
    values = to_values(found, form)
    assert np.abs(values[~inside]).max() < 1e-6
    assert np.array_equal(values[inside], to_values(Raster(pixels), form)[inside])


def test_what_is_hidden_lies_in_the_middle_of_the_range_of_each_band(tmp_path: Path) -> None:
    pixels = rng.integers(0, 200, (7, 9, 3)).astype(np.float32)
    inside = rng.integers(0, 2, (7, 9)).astype(bool)
    ranges = ((0.0, 200.0), (-50.0, 1000.0), (300.0, -7.0))
    form = DomainFormat(channels=3, bands=3, dtype="float32", low=-50, high=1000, band_ranges=ranges)
    values = to_values(hidden(Raster(pixels), read(mask(tmp_path / "m.png", inside * 255)), form), form)
    assert np.abs(values[~inside]).max() < 1e-6
    assert np.array_equal(values[inside], to_values(Raster(pixels), form)[inside])


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
@settings(max_examples=100, deadline=None)
def test_gray_mixes_both(before: int, after: int, weight: int) -> None:
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = mask(Path(folder) / "m.png", np.full((1, 1), weight))
        found = outside_kept(Image.new("L", (1, 1), before), Image.new("L", (1, 1), after), read(path))
    assert abs(float(found.getpixel((0, 0))) - (before + (after - before) * weight / 255)) <= 0.5001  # type: ignore[arg-type]


def test_a_palette_becomes_colours(tmp_path: Path) -> None:
    one, other = (picture("RGB").quantize(8) for _ in range(2))
    found = outside_kept(one, other, read(mask(tmp_path / "m.png", np.zeros((7, 9)))))
    assert np.array_equal(np.asarray(found), np.asarray(one.convert("RGB")))
    one.info["transparency"] = 0
    assert outside_kept(one, other, read(tmp_path / "m.png")).mode == "RGBA"


def test_profiles_of_the_translation_stay(tmp_path: Path) -> None:
    one, other = picture("RGB"), picture("RGB")
    other.info["icc_profile"] = b"x"
    assert outside_kept(one, other, read(mask(tmp_path / "m.png", np.zeros((7, 9))))).info["icc_profile"] == b"x"


def test_errors_name_the_mask(tmp_path: Path) -> None:
    one = picture("RGB")
    with pytest.raises(UserError, match=r"m\.png is 2 x 3, its image 9 x 7"):
        read_companion(mask(tmp_path / "m.png", np.zeros((3, 2))), one)
    (tmp_path / "b.png").write_bytes(b"x")
    with pytest.raises(UserError, match=r"b\.png: not an image"):
        read_companion(tmp_path / "b.png", one)


def test_companions_have_the_same_name_in_the_same_folder(tmp_path: Path) -> None:
    for name in ("1.png", "sub/1.tif", "2.x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = Companions(tmp_path, "labels")
    assert found.of(Job("in/1.jpg", "1.jpg", key="1")) == tmp_path / "1.png"
    assert found.of(Job("in/sub/1.jpg", "sub/1_x.jpg", key="sub/1")) == tmp_path / "sub/1.tif"
    assert found.of(Job("in/2.x.jpg", "2.x.jpg", key="2.x")) == tmp_path / "2.x.png"
    for name in ("4.nii.gz", "5.nii.gz", "6.png"):
        (tmp_path / name).touch()
    found = Companions(tmp_path, "labels")
    for name, beside in (("4.tif", "4.nii.gz"), ("5.nii.gz", "5.nii.gz"), ("6.nii.gz", "6.png")):
        assert found.of(Job(f"in/{name}", name, key=without_suffix(name))) == tmp_path / beside
    with pytest.raises(UserError, match="holds no image 3, with whatever suffix, for it"):
        found.of(Job("in/3.jpg", "3.jpg", key="3"))
    (tmp_path / "1.jpg").touch()
    with pytest.raises(UserError, match=r"labels=.*: 1\.jpg and 1\.png would belong to one image"):
        Companions(tmp_path, "labels")
    with pytest.raises(UserError, match=r"labels=.*: there is no such folder"):
        Companions(tmp_path / "gone", "labels")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"keep_outside=.*: holds no images"):
        Companions(tmp_path / "empty", "keep_outside")
