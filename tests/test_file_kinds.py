"""The table of file kinds in docs/data.md against the truth: each file goes through a model that changes nothing."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from identity import identity
from PIL import Image

from instar.core.batch import Unpaired
from instar.core.config import DataConfig
from instar.core.formats import DomainFormat, own_format
from instar.core.images import save
from instar.core.raster import Raster
from instar.core.reading import page_count, read
from instar.core.stack import Stack, read_all, save_all
from instar.data import open_data
from instar.inference.request import TranslationRequest
from instar.inference.translate_files import translate_files

DOCS = Path(__file__).resolve().parent.parent / "docs" / "data.md"
SHAPE = (24, 32)
COLUMNS = ("trained on", "8 bits", "16 bits", "N bands", "float", "pages", "resolution")
ROWS = {
    "PNG": ".png",
    "TIFF": ".tif",
    "`.npy`, `.npz`": ".npy",
    "JPEG": ".jpg",
    "WebP": ".webp",
    "AVIF": ".avif",
    "JPEG 2000": ".jp2",
    "GIF": ".gif",
    "BMP": ".bmp",
    "PPM, PGM": ".ppm",
}


def pixels(bands: int, dtype: str) -> np.ndarray:
    values = np.random.default_rng(bands).random((*SHAPE, bands))
    smooth = np.sort(values, axis=1)  # kind to lossy formats
    return smooth.astype(dtype) if dtype == "float32" else np.rint(smooth * np.iinfo(dtype).max).astype(dtype)


def sample(bands: int, dtype: str) -> Image.Image | Raster:
    values = pixels(bands, dtype)
    return Image.fromarray(values) if dtype == "uint8" and bands == 3 else Raster(values)


def values_of(picture: Image.Image | Raster) -> np.ndarray:
    if isinstance(picture, Raster):
        return picture.pixels
    return np.asarray(picture if picture.mode in ("L", "RGB", "I;16") else picture.convert("RGB"))


def verdict(before: Path, after: Path) -> str:
    if after.suffix != before.suffix:
        return "no"
    given, found = values_of(read(before)), values_of(read(after))
    if given.dtype != found.dtype or given.shape != found.shape:
        return "no"
    near = 1e-6 if given.dtype == np.float32 else 0
    return "yes" if np.abs(given.astype(float) - found).max() <= near else "nearly"


def translated(path: Path, bands: int, dtype: str, **options: object) -> Path:
    plain = dtype == "uint8" and bands == 3
    form = own_format(dtype, bands, bands)
    model = identity(bands, () if plain else (form, form))
    out = path.parent / "out"
    done = translate_files(model, TranslationRequest(inputs=(str(path),), out=out, **options))
    assert not done.failed, done.failed
    return next(one for one in out.iterdir() if one.stem == path.stem)


def of_values(bands: int, dtype: str) -> Callable[[Path], str]:
    def measure(path: Path) -> str:
        picture = sample(bands, dtype)
        try:
            save(picture, path)
        except Exception:  # the format cannot hold it: there are no such files
            return ""
        if values_of(read(path)).dtype != dtype or values_of(read(path)).shape[-1] != bands:
            return ""
        return verdict(path, translated(path, bands, dtype))

    return measure


def of_pages(path: Path) -> str:
    first = np.random.default_rng(0).integers(0, 2, (3, *SHAPE, 3), dtype=np.uint8) * 200
    frames = tuple(Image.fromarray(one) for one in first)
    try:
        save_all(Stack(frames, (100.0, 200.0, 300.0), 0), path)
    except Exception:
        return ""
    after = translated(path, 3, "uint8", pages="all")
    one, other = read_all(path), read_all(after)
    assert isinstance(one, Stack)
    same = isinstance(other, Stack) and len(other.pages) == page_count(path) and other.times == one.times
    return "yes" if same else "no"


def of_resolution(path: Path) -> str:
    picture = Image.fromarray(pixels(3, "uint8"))
    try:
        picture.save(path, dpi=(300, 300))
    except Exception:
        return ""
    if round(float(read(path).info.get("dpi", (0,))[0])) != 300:
        return ""
    dpi = read(translated(path, 3, "uint8", metadata="keep")).info.get("dpi", (0,))
    return "yes" if round(float(dpi[0])) == 300 else "no"


def of_training(path: Path) -> str:
    """Whether crops of such files come out of the loader as they lie in them."""
    for domain in "AB":
        for number in range(2):
            save(sample(3, "uint8"), path.parent / f"set/train{domain}/{number}{path.suffix}")
    cfg = DataConfig(roots=(path.parent / "set",), size=24, zoom=1, flip=False)
    crop = open_data(cfg, 3, Unpaired, batch=1, seed=0).train.batch(0).a[0]
    values = read(path.parent / f"set/trainA/0{path.suffix}")
    whole = torch.from_numpy(values_of(values).astype(np.float32)).permute(2, 0, 1) / 127.5 - 1
    places = range(whole.shape[2] - 23)
    return "yes" if any(torch.allclose(crop, whole[:, :, left : left + 24], atol=1e-6) for left in places) else "no"


MEASURES = {
    "trained on": of_training,
    "8 bits": of_values(3, "uint8"),
    "16 bits": of_values(3, "uint16"),
    "N bands": of_values(5, "uint16"),
    "float": of_values(2, "float32"),
    "pages": of_pages,
    "resolution": of_resolution,
}


@pytest.mark.parametrize("name", ROWS)
def test_the_table_of_file_kinds_is_true(name: str, tmp_path: Path) -> None:
    text = DOCS.read_text()
    row = next(line for line in text.splitlines() if line.startswith(f"| {name} | "))
    cells = dict(zip(COLUMNS, [cell.strip() for cell in row.strip("|").split("|")][1:], strict=True))
    found = {}
    for column, measure in MEASURES.items():
        folder = tmp_path / re.sub(r"\W", "", column)
        folder.mkdir()
        found[column] = measure(folder / f"a{ROWS[name]}")
    assert found == cells


def test_the_table_has_these_rows() -> None:
    text = DOCS.read_text()
    assert "| File | " + " | ".join(COLUMNS) + " |" in text


PAGES = np.random.default_rng(0).integers(-1000, 2000, (3, *SHAPE)).astype(np.int16)
RANGE = {"low": -1024.0, "high": 3071.0}


def nifti_file(path: Path) -> tuple[Path, int, np.ndarray]:
    nibabel = pytest.importorskip("nibabel")
    place = np.diag([0.5, 0.5, 2.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(PAGES.transpose(2, 1, 0), place), path / "a.nii.gz")
    return path / "a.nii.gz", 1, PAGES[..., None]


def dicom_file(path: Path) -> tuple[Path, int, np.ndarray]:
    pytest.importorskip("pydicom")
    from dicom_files import write  # noqa: PLC0415

    stored = (PAGES + 1024).astype(np.uint16)
    tags = {"Rows": SHAPE[0], "Columns": SHAPE[1], "NumberOfFrames": 3, "RescaleSlope": 1, "RescaleIntercept": -1024}
    return write(path / "a.dcm", stored, **tags), 1, PAGES[..., None]


def geotiff_file(path: Path) -> tuple[Path, int, np.ndarray]:
    tags = [(33550, "d", 3, (0.5, 0.5, 0.0), True), (33922, "d", 6, (0.0, 0.0, 0.0, 13.0, 47.0, 0.0), True)]
    bands = np.stack([PAGES, PAGES + 100], axis=-1)
    with tifffile.TiffWriter(path / "a.tif") as file:
        for page in bands:
            file.write(page, photometric="minisblack", planarconfig="contig", extratags=tags, metadata=None)
    return path / "a.tif", 2, bands


def ome_file(path: Path) -> tuple[Path, int, np.ndarray]:
    bands = np.stack([PAGES, PAGES + 100], axis=1)
    metadata = {"axes": "TCYX", "Channel": {"Name": ["DNA", "actin"]}, "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(path / "a.ome.tif", bands, photometric="minisblack", metadata=metadata)
    return path / "a.ome.tif", 2, bands.transpose(0, 2, 3, 1)


def imagej_file(path: Path) -> tuple[Path, int, np.ndarray]:
    tifffile.imwrite(path / "a.tif", PAGES.astype(np.uint16), imagej=True, metadata={"axes": "TYX"})
    return path / "a.tif", 1, PAGES.astype(np.uint16)[..., None]


def tags_of(path: Path) -> object:
    info = read(path).info
    if path.suffix == ".dcm":
        data = info["instar.dicom"].data
        return data.PatientName, data.RescaleIntercept
    if "instar.volume" in info:
        return info["instar.volume"]["affine"].tolist()
    return info.get("instar.tags"), info.get("instar.channels")


INSTRUMENTS = {
    "NIfTI": (nifti_file, "by slices", "NIfTI with all pages, TIFF of one", True),
    "DICOM": (dicom_file, "by frames", "DICOM", True),
    "GeoTIFF": (geotiff_file, "yes", "TIFF", True),
    "OME-TIFF": (ome_file, "yes", "TIFF", True),
    "ImageJ": (imagej_file, "yes", "TIFF", False),
}


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_what_instruments_write_is_trained_on_and_comes_back(name: str, tmp_path: Path) -> None:
    make, trained, written, tagged = INSTRUMENTS[name]
    lines = DOCS.read_text().splitlines()
    row = next(line for line in lines if line.startswith("| ") and name in line.split("|")[1] and "`tests/" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:3] == [trained, written]
    file, bands, values = make(tmp_path)

    form = DomainFormat(channels=bands, bands=bands, dtype=values.dtype.name, low=RANGE["low"], high=RANGE["high"])
    if values.dtype == np.uint16:
        form = own_format("uint16", 1, 1)
    request = TranslationRequest(inputs=(str(file),), out=tmp_path / "out", pages="all", metadata="keep")
    done = translate_files(identity(bands, (form, form)), request)
    assert not done.failed, done.failed
    out = tmp_path / "out" / file.name
    for number, page in enumerate(values):
        np.testing.assert_array_equal(values_of(read(out, number)).reshape(page.shape), page)
        assert values_of(read(out, number)).dtype == values.dtype
    assert page_count(out) == len(values)
    assert tags_of(out) == tags_of(file)
    assert (tags_of(file) != (None, None)) == tagged
    one = TranslationRequest(inputs=(str(file),), out=tmp_path / "one")
    assert not translate_files(identity(bands, (form, form)), one).failed
    suffix = ".tif" if written.endswith("TIFF of one") else file.suffix
    assert next(path for path in (tmp_path / "one").iterdir() if path.stem != "manifest").suffix == suffix

    for domain in "AB":
        (tmp_path / f"set/train{domain}").mkdir(parents=True)
        (tmp_path / f"set/train{domain}/{file.name}").write_bytes(file.read_bytes())
    ends = (form.low, form.high)
    cfg = DataConfig(roots=(tmp_path / "set",), size=24, zoom=1, flip=False, pages="all", range_a=ends, range_b=ends)
    batch = open_data(cfg, bands, Unpaired, batch=3, seed=0).train.batch(0)
    wholes = [torch.from_numpy(form.scaled(page)).permute(2, 0, 1) for page in values]
    places = range(SHAPE[1] - 23)
    for crop in batch.a:
        assert any(torch.allclose(crop, one[:, :, x : x + 24], atol=1e-6) for one in wholes for x in places)


def test_each_row_of_instruments_has_its_test() -> None:
    lines = DOCS.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| File | Trained on |"))
    rows = [line for line in lines[start + 2 : start + 20] if line.startswith("| ")][:5]
    assert len(rows) == 5
    for row in rows:
        for named in re.findall(r"`(tests/[^`]*)`", row):
            assert (DOCS.parent.parent / named).is_file()
