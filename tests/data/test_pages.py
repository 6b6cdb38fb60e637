"""Pages of files as images to train on."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

import instar
from instar.core.batch import Paired, Unpaired
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.data import find, open_data
from instar.data.fingerprint import fingerprint
from instar.data.open import Data


def stack(path: Path, start: int, pages: int = 4) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(start).integers(start, start + 20, (pages, 24, 32), dtype=np.uint8)
    tifffile.imwrite(path, pixels, photometric="minisblack", metadata=None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for domain, start in (("A", 0), ("B", 200)):
        stack(tmp_path / f"train{domain}" / "1.tif", start)
        stack(tmp_path / f"train{domain}" / "2.tif", start + 20, pages=1)
    return tmp_path


def opened(root: Path, kind: type = Unpaired, **options: object) -> Data:
    return open_data(DataConfig(roots=(root,), size=24, zoom=1.0, holdout=0, **options), 1, kind, batch=1, seed=0)


def test_all_pages_are_images(root: Path) -> None:
    data = opened(root, pages="all")
    names = [name.removeprefix(f"{root}/") for name in data.train.stores["a"].names]
    assert names == [*(f"trainA/1.tif (page {number})" for number in (1, 2, 3, 4)), "trainA/2.tif"]
    assert not any("pages" in note for note in data.notes)
    expected = tifffile.imread(root / "trainA" / "1.tif", key=2)
    np.testing.assert_array_equal(data.train.stores["a"][2][..., 0], expected)
    assert len(opened(root).train.stores["a"]) == 2
    assert any("4 pages or frames" in note for note in opened(root).notes)


def test_pages_of_pairs_are_pairs(root: Path) -> None:
    found = find(DataConfig(roots=(root,), pages="all", holdout=0), Paired)
    assert [(a.page, b.page) for a, b in zip(found.train["a"], found.train["b"], strict=True)] == [
        *((number, number) for number in range(4)),
        (None, None),
    ]


def test_one_page_of_each_file(root: Path) -> None:
    data = opened(root, pages=1)
    assert len(data.train.stores["a"]) == 2
    np.testing.assert_array_equal(data.train.stores["a"][0][..., 0], tifffile.imread(root / "trainA" / "1.tif", key=0))
    with pytest.raises(UserError, match="it has no page 3"):
        opened(root, pages=3)
    assert len(opened(root, pages=3, max_bad=0.5).train.stores["a"]) == 1


def test_pages_have_lines_of_their_own_in_the_fingerprint(root: Path) -> None:
    lines = fingerprint(find(DataConfig(roots=(root,), pages="all", holdout=0), Unpaired)).decode().splitlines()
    assert len(set(lines)) == 10
    assert any("page 3" in line for line in lines)


def test_check_lists_pages_modes_and_values(root: Path) -> None:
    tifffile.imwrite(root / "trainA" / "3.tif", np.linspace(-3, 5, 768).reshape(24, 32).astype(np.float32))
    text = "\n".join(instar.check(root, pages="all").lines())
    assert "4 pages of 1 file" in text
    assert "1 x float32 (1)" in text
    assert "values from -3 to 5" in text
    assert "pages of" not in "\n".join(instar.check(root).lines())
