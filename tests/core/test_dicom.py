"""DICOM files: what their numbers mean, and that nothing of a patient is kept."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_files import write
from identity import identity

from instar.core import dicom
from instar.core.batch import Unpaired
from instar.core.config import DataConfig
from instar.core.raster import NotRead, Raster
from instar.core.reading import UnreadableImage, probe, read
from instar.data import open_data
from instar.inference.request import TranslationRequest
from instar.inference.translate_files import TranslationResult, translate_files
from instar.inference.translator import Translator

pydicom = pytest.importorskip("pydicom")
PIXELS = np.random.default_rng(0).integers(0, 4096, (3, 6, 8)).astype(np.uint16)


def translated(model: Translator, out: Path, *files: Path, **options: Any) -> TranslationResult:
    return translate_files(model, TranslationRequest(inputs=tuple(map(str, files)), out=out, **options))


def test_numbers_are_what_they_mean(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", PIXELS[0], RescaleSlope=1, RescaleIntercept=-1024)
    raster = read(path)
    assert isinstance(raster, Raster)
    assert probe(path)[:4] == (8, 6, 1, "int16")
    np.testing.assert_array_equal(raster.pixels[..., 0], PIXELS[0].astype(int) - 1024)
    assert raster.pixels.dtype == np.int16
    path = write(tmp_path / "b.dcm", PIXELS[0], RescaleSlope=2.5, RescaleIntercept=0)
    np.testing.assert_allclose(read(path).pixels[..., 0], PIXELS[0] * 2.5)
    assert probe(path).dtype == "float32"
    path = write(tmp_path / "c.dcm", PIXELS[0])
    assert probe(path).dtype == "uint16"
    np.testing.assert_array_equal(read(path).pixels[..., 0], PIXELS[0])


def test_frames_polarity_and_colours(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", PIXELS, NumberOfFrames=3, PhotometricInterpretation="MONOCHROME1")
    header = probe(path, 2)
    assert (header.pages, header.inverted) == (3, True)
    np.testing.assert_array_equal(read(path, 2).pixels[..., 0], PIXELS[2])
    with pytest.raises(UnreadableImage, match="no page 4"):
        read(path, 3)
    colours = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    tags = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0, "BitsStored": 8}
    path = write(tmp_path / "b.dcm", colours, **tags, HighBit=7)
    np.testing.assert_array_equal(read(path).pixels, colours)


def test_what_is_no_picture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.dcm", PIXELS[0], PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(UnreadableImage, match="PALETTE COLOR"):
        read(path)
    (tmp_path / "b.dcm").write_bytes(b"hello" * 40)
    with pytest.raises(UnreadableImage, match="not an image"):
        read(tmp_path / "b.dcm")
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(NotRead, match=r"pip install '\.\[science\]'"):
        dicom.header(path)


def test_it_is_trained_on_and_translated(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    stored = rng.integers(0, 4096, (2, 32, 40)).astype(np.uint16)
    tags = {"Rows": 32, "Columns": 40, "NumberOfFrames": 2, "RescaleSlope": 1, "RescaleIntercept": -1024}
    for domain in "AB":
        (tmp_path / f"set/train{domain}").mkdir(parents=True)
        for number in range(2):
            write(tmp_path / f"set/train{domain}/{number}.dcm", stored, **tags)
    ends = (-1024.0, 3071.0)
    cfg = DataConfig(roots=(tmp_path / "set",), size=32, zoom=1, pages="all", range_a=ends, range_b=ends)
    data = open_data(cfg, 1, Unpaired, batch=1, seed=0)
    assert len(data.found.train["a"]) == 4
    assert data.formats["a"].dtype == "int16"

    done = translated(
        identity(1, tuple(data.formats.values())), tmp_path / "out", tmp_path / "set/trainA/0.dcm", pages="all"
    )
    assert not done.failed, done.failed
    result = tmp_path / "out/0.dcm"
    for number in range(2):
        np.testing.assert_array_equal(read(result, number).pixels[..., 0], stored[number].astype(int) - 1024)
    assert b"Some^One" not in result.read_bytes()
