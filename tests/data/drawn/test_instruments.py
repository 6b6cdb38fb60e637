"""Drawn sets of other bands, types and ranges than photographs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instar.core.batch import Paired, Unpaired
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.core.raster import Raster
from instar.core.reading import read
from instar.data import find
from instar.data.drawn.instruments import KINDS, main, write

TYPES = {
    "bands": (("uint16", 4, 0, 10000), ("float32", 1, 280, 320)),
    "scans": (("int16", 1, -1100, 1100), ("float32", 1, 0, 1)),
    "stains": (("uint8", 3, 0, 255), ("uint8", 3, 0, 255)),
}


def values(path: Path) -> np.ndarray:
    picture = read(path)
    return picture.pixels if isinstance(picture, Raster) else np.asarray(picture)


@pytest.mark.parametrize("name", KINDS)
def test_sets_have_their_types_and_are_the_same_each_time(name: str, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write(name, tmp_path / folder, 32, train=3, test=2)
    for side, (dtype, bands, low, high) in zip("AB", TYPES[name], strict=True):
        for part, count in (("train", 3), ("test", 2)):
            files = sorted((tmp_path / "one" / f"{part}{side}").iterdir())
            assert len(files) == count
            for path in files:
                found = values(path)
                assert (found.dtype, found.shape) == (dtype, (32, 32, bands))
                assert low <= found.min() < found.max() <= high
                again = tmp_path / "two" / path.relative_to(tmp_path / "one")
                assert path.read_bytes() == again.read_bytes()


@pytest.mark.parametrize("name", KINDS)
def test_scenes_of_a_name_are_one_in_tests_and_pairs_alone(name: str, tmp_path: Path) -> None:
    for pairs in (False, True):
        root = tmp_path / str(pairs)
        write(name, root, 32, train=3, test=2, pairs=pairs)
        scene = KINDS[name].draw(np.random.default_rng([0, list(KINDS).index(name)]), 32)
        first = sorted((root / "trainB").iterdir())[0]
        assert np.array_equal(values(first), scene[1]) == pairs
        assert np.array_equal(values(sorted((root / "trainA").iterdir())[0]), scene[0])
        held = KINDS[name].draw(np.random.default_rng([10**6, list(KINDS).index(name)]), 32)
        for side, pixels in zip("AB", held, strict=True):
            np.testing.assert_array_equal(values(sorted((root / f"test{side}").iterdir())[0]), pixels)
        found = find(DataConfig(roots=(root,)), Paired if pairs else Unpaired)
        assert (len(found.train["a"]), len(found.test["b"])) == (3, 2)


def test_b_follows_from_a() -> None:
    """Water is the coolest land, bone the densest tissue and dark in the other scan, brown nuclei the large ones."""
    counts, warmth = KINDS["bands"].draw(np.random.default_rng(3), 64)
    vegetation = (counts[..., 3].astype(float) - counts[..., 2]) / (counts[..., 3] + counts[..., 2])
    assert warmth[..., 0][vegetation > 0.5].mean() < warmth[..., 0][(vegetation < 0.2) & (vegetation > 0)].mean()
    density, bright = KINDS["scans"].draw(np.random.default_rng(3), 64)
    assert bright[density > 500].max() < 0.2
    assert bright[(density > -150) & (density < -50)].min() > 0.6


def test_what_is_wrong_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="did you mean"):
        write("band", tmp_path / "x")
    with pytest.raises(UserError, match="32 px or more"):
        write("bands", tmp_path / "x", 16)
    assert main(["stains", str(tmp_path / "set"), "32", "2", "1", "--pairs"]) == 0
    assert Image.open(tmp_path / "set" / "testB" / "0000.png").size == (32, 32)
    with pytest.raises(SystemExit):
        main(["stains", str(tmp_path / "set")])
    assert "choose another folder" in capsys.readouterr().err
