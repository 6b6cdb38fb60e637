"""The table of file kinds in docs/data.md against the truth: each file goes through a model that changes nothing."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from identity import identity
from PIL import Image

from instar.core.batch import Unpaired
from instar.core.config import DataConfig
from instar.core.formats import own_format
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
