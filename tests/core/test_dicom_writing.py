"""Translations of DICOM files as DICOM files: values bit for bit, tags by the policy, valid for other readers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_files import write
from hypothesis import given
from hypothesis import strategies as st
from identity import identity
from PIL import Image

from instar.core.dicom import Origin
from instar.core.dicom_writing import _decimal, stored_as
from instar.core.errors import UserError
from instar.core.formats import DomainFormat, own_format
from instar.core.images import save
from instar.core.raster import Raster
from instar.core.reading import page_count, read
from instar.inference.request import TranslationRequest
from instar.inference.translate_files import TranslationResult, translate_files
from instar.inference.translator import Translator

pydicom = pytest.importorskip("pydicom")
rng = np.random.default_rng(0)
GRAY = rng.integers(0, 4096, (6, 8)).astype(np.uint16)
SIGNED = rng.integers(-2048, 2048, (6, 8)).astype(np.int16)
DEEP = rng.integers(0, 65536, (6, 8)).astype(np.uint16)
COLOURS = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
WHOLE = {"BitsStored": 16, "HighBit": 15}
RGB = {
    "SamplesPerPixel": 3,
    "PhotometricInterpretation": "RGB",
    "PlanarConfiguration": 0,
    "BitsStored": 8,
    "HighBit": 7,
}
CT = {"RescaleSlope": 1, "RescaleIntercept": -1024}
PERSON = {
    "PatientID": "0815",
    "PatientBirthDate": "19700101",
    "StudyDate": "20240203",
    "InstitutionName": "Clinic",
    "StudyInstanceUID": "1.2.3.4",
    "SeriesInstanceUID": "1.2.3.5",
    "FrameOfReferenceUID": "1.2.3.6",
    "AccessionNumber": "A1",
}
PLACE = {
    "PixelSpacing": [0.5, 0.75],
    "SliceThickness": 2,
    "ImagePositionPatient": [1.5, -2, 30],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "InstanceNumber": 7,
    "Modality": "CT",
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "WindowCenter": 40,
    "WindowWidth": 400,
}


def translated(model: Translator, out: Path, *files: Path, **options: Any) -> TranslationResult:
    return translate_files(model, TranslationRequest(inputs=tuple(map(str, files)), out=out, **options))


def same(path: Path, form: DomainFormat | None, **options: Any) -> Any:
    """Translate by a model that changes nothing and return the data set."""
    model = identity(3) if form is None else identity(form.channels, (form, form))
    done = translated(model, path.parent / "out", path, **options)
    assert not done.failed, done.failed
    return pydicom.dcmread(path.parent / "out" / path.name)


@pytest.mark.parametrize(
    ("pixels", "tags", "form"),
    [
        (GRAY, {}, own_format("uint16", 1, 1)),
        (DEEP, WHOLE, own_format("uint16", 1, 1)),
        (GRAY, CT, DomainFormat(channels=1, bands=1, dtype="int16", low=-1024, high=3071)),
        (DEEP, {**WHOLE, **CT}, DomainFormat(channels=1, bands=1, dtype="int32", low=-1024, high=64511)),
        (
            GRAY,
            {"RescaleSlope": 0.25, "RescaleIntercept": -3},
            DomainFormat(channels=1, bands=1, dtype="float32", low=-3, high=1020.75),
        ),
        (SIGNED, {"PixelRepresentation": 1, **WHOLE}, own_format("int16", 1, 1)),
        (GRAY, {"PhotometricInterpretation": "MONOCHROME1"}, own_format("uint16", 1, 1, inverted=True)),
        ((DEEP >> 8).astype(np.uint8), {"BitsStored": 8, "HighBit": 7}, own_format("uint8", 1, 1)),
        (COLOURS, RGB, own_format("uint8", 3, 3)),
        (COLOURS, RGB, None),
    ],
)
@pytest.mark.parametrize("policy", ["keep", "strip"])
def test_a_model_that_changes_nothing_gives_the_same_numbers(
    pixels: np.ndarray, tags: dict[str, Any], form: DomainFormat | None, policy: str, tmp_path: Path
) -> None:
    before = write(tmp_path / "a.dcm", pixels, **tags)
    data = same(before, form, metadata=policy)
    one, other = read(before), read(tmp_path / "out/a.dcm")
    assert isinstance(one, Raster)
    assert isinstance(other, Raster)
    assert (one.mode, one.inverted) == (other.mode, other.inverted)
    np.testing.assert_array_equal(one.pixels, other.pixels)
    np.testing.assert_array_equal(pydicom.dcmread(before).pixel_array, data.pixel_array)
    for name in ("BitsStored", "HighBit", "BitsAllocated", "PixelRepresentation", "PhotometricInterpretation"):
        assert data[name].value == pydicom.dcmread(before)[name].value
    assert not any("rounded" in note for note in (tmp_path / "out/manifest.jsonl").read_text().splitlines())


def test_who_it_is_of_goes_and_where_it_lies_stays(tmp_path: Path) -> None:
    before = write(tmp_path / "a.dcm", GRAY, **CT, **PERSON, **PLACE)
    form = DomainFormat(channels=1, bands=1, dtype="int16", low=-1024, high=3071)
    data = same(before, form)
    content = (tmp_path / "out/a.dcm").read_bytes()
    for word in (b"Some^One", *(str(value).encode() for value in PERSON.values() if value != "A1")):
        assert word not in content
    for name, value in {**PLACE, "ImageType": ["DERIVED", "SECONDARY", "AXIAL"]}.items():
        assert data[name].value == value
    assert data.PatientIdentityRemoved == "YES"
    assert (data.PatientName, data.PatientID) == ("", "")
    assert "SourceImageSequence" not in data


def test_with_all_tags_it_is_an_image_derived_from_the_first(tmp_path: Path) -> None:
    before = write(tmp_path / "a.dcm", GRAY, **CT, **PERSON, **PLACE)
    form = DomainFormat(channels=1, bands=1, dtype="int16", low=-1024, high=3071)
    data = same(before, form, metadata="keep")
    assert data.PatientName == "Some^One"
    changed = ("SeriesInstanceUID",)
    for name, value in PERSON.items():
        assert (data[name].value == value) != (name in changed)
    assert data.ImageType == ["DERIVED", "SECONDARY", "AXIAL"]
    assert data.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.3"
    assert data.SOPInstanceUID != "1.2.3"
    assert data.file_meta.MediaStorageSOPInstanceUID == data.SOPInstanceUID
    # A note says what other kinds of files do not hold.
    done = translated(identity(1, (form, form)), tmp_path / "o.tif", before, metadata="keep")
    assert any("tags of DICOM not kept, for .tif files hold none" in note for note in done.notes)


@pytest.mark.parametrize("policy", ["keep", "strip"])
def test_slices_of_a_series_stay_one_and_each_has_a_number_of_its_own(policy: str, tmp_path: Path) -> None:
    form = own_format("uint16", 1, 1)
    for number in range(3):
        write(tmp_path / f"in/{number}.dcm", GRAY + number, **PERSON, SOPInstanceUID=f"1.2.3.{number}")
    found = []
    for out in ("one", "two"):
        done = translated(identity(1, (form, form)), tmp_path / out, tmp_path / "in", metadata=policy)
        assert done.translated == 3
        found.append([pydicom.dcmread(path) for path in sorted((tmp_path / out).glob("*.dcm"))])
    for name, count in (("SOPInstanceUID", 3), ("SeriesInstanceUID", 1), ("StudyInstanceUID", 1)):
        values = [[data[name].value for data in one] for one in found]
        assert values[0] == values[1]
        assert len(set(values[0])) == count
        assert all(pydicom.uid.UID(value).is_valid for value in values[0])
    one, other = (tmp_path / out / "0.dcm" for out in ("one", "two"))
    assert one.read_bytes() == other.read_bytes()


def test_frames_come_back_as_frames(tmp_path: Path) -> None:
    pixels = rng.integers(0, 4096, (3, 6, 8)).astype(np.uint16)
    form = DomainFormat(channels=1, bands=1, dtype="int16", low=-1024, high=3071)
    before = write(tmp_path / "a.dcm", pixels, NumberOfFrames=3, **CT)
    data = same(before, form, pages="all")
    assert data.NumberOfFrames == 3
    np.testing.assert_array_equal(data.pixel_array, pixels)
    assert page_count(tmp_path / "out/a.dcm") == 3
    (tmp_path / "b").mkdir()
    data = same(write(tmp_path / "b/b.dcm", pixels, NumberOfFrames=3, **CT), form, pages=2)
    assert "NumberOfFrames" not in data
    np.testing.assert_array_equal(data.pixel_array, pixels[1])


def test_a_translation_has_the_units_of_the_target(tmp_path: Path) -> None:
    ct = DomainFormat(channels=1, bands=1, dtype="int16", low=-1024, high=3071)
    share = DomainFormat(channels=1, bands=1, dtype="float32", low=-2, high=4)
    before = write(tmp_path / "a.dcm", GRAY, **CT, **PLACE)
    done = translated(identity(1, (ct, share)), tmp_path / "out", before)
    data = pydicom.dcmread(tmp_path / "out/a.dcm")
    assert (data.RescaleSlope, data.RescaleIntercept) == (pytest.approx(6 / 65535), -2)
    assert "WindowCenter" not in data
    found = read(tmp_path / "out/a.dcm")
    assert found.mode == "1 x float32"
    np.testing.assert_allclose(found.pixels[..., 0], GRAY / 4095 * 6 - 2, atol=3.01 / 65535)
    assert "rounded to 65,536 steps" in json.loads((tmp_path / "out/manifest.jsonl").read_text())["note"]
    assert any("rounded" in note for note in done.notes)
    # Bands that DICOM has not are written as TIFFs.
    four = DomainFormat(channels=1, bands=4, dtype="uint16", low=0, high=65535)
    assert not translated(identity(1, (ct, four)), tmp_path / "four", before).failed
    assert (tmp_path / "four/a.tif").exists()


def test_other_images_are_not_written_so(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    ((_, reason),) = translated(identity(3), tmp_path / "b.dcm", tmp_path / "a.png").failed
    assert "written of DICOM files alone" in str(reason)
    with pytest.raises(UserError, match="written of DICOM files alone"):
        save(Image.fromarray(COLOURS), tmp_path / "c.dcm")
    assert not list(tmp_path.glob("*.dcm"))


def test_it_is_drawn_outside_of_a_mask_as_it_was(tmp_path: Path) -> None:
    before = write(tmp_path / "a.dcm", GRAY, **CT)
    form = DomainFormat(channels=1, bands=1, dtype="int16", low=-1024, high=0)  # clips what is above
    weights = np.zeros((6, 8), np.uint8)
    weights[2:4] = 255
    save(Image.fromarray(weights), tmp_path / "masks/a.png")
    same(before, form, keep_outside=tmp_path / "masks")
    found, given = read(tmp_path / "out/a.dcm").pixels[..., 0], GRAY.astype(int) - 1024
    np.testing.assert_array_equal(found, np.where(weights > 0, np.minimum(given, 0), given))


@given(st.floats(-1e30, 1e30, allow_subnormal=False))
def test_numbers_in_16_characters(number: float) -> None:
    text = _decimal(number)
    assert len(text) <= 16
    assert float(text) == pytest.approx(number, rel=1e-8, abs=1e-300)


@given(st.sampled_from(["int8", "uint8", "int16", "uint16", "int32", "float32"]), st.integers(0, 1000))
def test_what_is_stored_means_the_same(dtype: str, seed: int) -> None:
    chance = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    low, high = (0, 1) if kind.kind == "f" else (max(np.iinfo(kind).min, -30000), min(np.iinfo(kind).max, 35000))
    values = (low + chance.random((1, 5, 4, 1)) * (high - low)).astype(kind)
    data = pydicom.Dataset()
    data.BitsAllocated, data.BitsStored = 16, 12
    stored = stored_as(values, Origin(data, (float(low), float(high))))
    meant = stored.numbers * stored.slope + stored.intercept
    np.testing.assert_allclose(meant, values, atol=0 if stored.exact else 0.51 / 65535)
    assert stored.exact == (kind.kind != "f")
