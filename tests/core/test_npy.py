"""NumPy's files as pictures."""

from pathlib import Path

import numpy as np
import pytest

from instar.core import npy
from instar.core.listing import is_image, listed
from instar.core.raster import NotRead, Raster
from instar.core.reading import UnreadableImage, page_count, probe, read


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 4), (3, 5, 7, 2)])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_pictures_are_read_and_written(shape: tuple[int, ...], suffix: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(-1000, 3000, shape).astype(np.int16)
    path = tmp_path / f"a.{suffix}"
    np.save(path, values) if suffix == "npy" else np.savez(path, values)
    bands = 1 if len(shape) == 2 else shape[-1]
    pages = shape[0] if len(shape) == 4 else 1
    header = probe(path)
    assert header[:5] == (7, 5, bands, "int16", False)
    assert (header.pages, page_count(path)) == (pages, pages)
    for number, one in enumerate(values.reshape(pages, 5, 7, bands)):
        raster = read(path, number)
        assert isinstance(raster, Raster)
        np.testing.assert_array_equal(raster.pixels, one)
    npy.write([npy.read(path, number) for number in range(pages)], tmp_path / "b", packed=suffix == "npz")
    back = np.load(tmp_path / "b")
    found = back if suffix == "npy" else back["image"]
    np.testing.assert_array_equal(found, values[..., 0] if shape == (5, 7, 1) else values)
    with pytest.raises(UnreadableImage, match=f"no page {pages + 1}"):
        read(path, pages)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((4, 60, 80)), "bands are the last axis"),
        (np.zeros(7), "only \\(H, W\\)"),
        (np.zeros((3, 4), complex), "of complex128"),
        (np.full((3, 4), 2**40), "only those of 32 bits"),
        (np.array([["a"]]), "of <U1"),
    ],
)
def test_other_arrays_are_refused(values: np.ndarray, reason: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(UnreadableImage, match=reason):
        read(tmp_path / "a.npy")


def test_no_code_of_a_file_is_run(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[print]], object), allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(b"nothing")
    for name in ("a.npy", "b.npy"):
        with pytest.raises(UnreadableImage):
            read(tmp_path / name)


def test_whole_numbers_are_taken_as_python_makes_them(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(12).reshape(3, 4))
    assert (npy.read(tmp_path / "a.npy").pixels.dtype, npy.header(tmp_path / "a.npy").dtype) == (np.int32, "int32")
    with pytest.raises(NotRead):
        npy.header(tmp_path / "a.npy", 1)


def test_digits_with_labels_are_no_picture(tmp_path: Path) -> None:
    np.savez(tmp_path / "digits.npz", x_train=np.zeros((3, 8, 8)), y_train=np.zeros(3))
    np.savez(tmp_path / "picture.npz", np.zeros((8, 8)))
    assert not is_image(tmp_path / "digits.npz")
    assert [path.name for path in listed(tmp_path).images] == ["picture.npz"]
