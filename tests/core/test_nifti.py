"""NIfTI volumes by slices, and volumes made of slices."""

from pathlib import Path

import numpy as np
import pytest
from identity import identity

from instar.core import nifti
from instar.core.formats import DomainFormat
from instar.core.listing import is_image, suffix_of
from instar.core.raster import NotRead, Raster
from instar.core.reading import UnreadableImage, probe, read
from instar.inference.request import TranslationRequest
from instar.inference.translate_files import translate_files

nibabel = pytest.importorskip("nibabel")
PLACE = np.array([[0.5, 0, 0, -20], [0, 0.5, 0, 30], [0, 0, 2, 4], [0, 0, 0, 1]])
VOLUME = np.random.default_rng(0).integers(-1000, 2000, (33, 24, 3)).astype(np.int16)


def write(path: Path, values: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(values, PLACE), path)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_slices_are_pages(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"a{suffix}", VOLUME)
    assert is_image(path)
    assert suffix_of(path) == suffix
    assert probe(path)[:4] == (33, 24, 1, "int16")
    assert probe(path).pages == 3
    for number in range(3):
        raster = read(path, number)
        assert isinstance(raster, Raster)
        np.testing.assert_array_equal(raster.pixels[..., 0].T, VOLUME[:, :, number])
    with pytest.raises(UnreadableImage, match="no page 4"):
        read(path, 3)


def test_further_axes_are_more_pages(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((7, 5, 3, 2)).astype(np.float32)
    path = write(tmp_path / "a.nii", values)
    assert nifti.header(path).pages == 6
    np.testing.assert_array_equal(nifti.read(path, 4).pixels[..., 0].T, values[:, :, 1, 1])


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_volume_gives_a_volume_of_the_same_place(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"a{suffix}", VOLUME)
    ct = DomainFormat(channels=1, bands=1, dtype="int16", low=-1000, high=2000)
    mr = DomainFormat(channels=1, bands=1, dtype="float32", low=0, high=1)
    for target, expected in ((ct, VOLUME), (mr, (VOLUME + 1000.0) / 3000)):
        out = tmp_path / target.dtype
        request = TranslationRequest(inputs=(str(path),), out=out, pages="all")
        done = translate_files(identity(1, (ct, target)), request)
        assert not done.failed, done.failed
        back = nibabel.load(out / f"a{suffix}")
        np.testing.assert_allclose(np.asarray(back.dataobj), expected, atol=0 if target is ct else 1e-6)
        assert back.get_data_dtype() == target.dtype
        np.testing.assert_array_equal(back.affine, nibabel.load(path).affine)
    # A single slice is no volume.
    done = translate_files(
        identity(1, (ct, ct)), TranslationRequest(inputs=(str(path),), out=tmp_path / "one", pages=2)
    )
    assert not done.failed, done.failed
    np.testing.assert_array_equal(read(tmp_path / "one" / "a.tif").pixels[..., 0].T, VOLUME[:, :, 1])


def test_an_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.nii", VOLUME)
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    with pytest.raises(NotRead, match=r"pip install '\.\[science\]'"):
        nifti.header(path)
