import shutil

import numpy as np
import pytest
from PIL import Image

from instar.core.errors import UserError
from instar.data.drawn import sets
from instar.evaluation.drawn import oracles, score


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn") / "ears"
    sets.write("ears", folder, level="easy", train=0, test=5)
    return folder


@pytest.fixture(scope="module")
def known(folder):
    return oracles(folder)


def test_inputs_and_truths(folder, known):
    copies, truths = score(folder, folder / "testA", known), score(folder, folder / "truth", known)
    assert (copies.target, copies.target_interval, copies.outside) == (0, (0, 0), 0)
    assert (truths.target, truths.target_interval) == (1, (1, 1))
    assert truths.strength > 0.95 > 0.05 > copies.strength
    assert list(copies.rows) == [f"000{i}" for i in range(5)]


def test_the_means_are_those_of_the_rows(folder, known, tmp_path):
    for i in range(3):
        part = "truth" if i else "testA"
        with Image.open(folder / part / f"000{i}.png") as image:
            image.point(lambda value: value * 0.8).save(tmp_path / f"000{i}.jpg", quality=95)
    found = score(folder, tmp_path, known)
    assert found.target == pytest.approx(2 / 3)
    assert found.target_interval is None
    rows = found.rows.values()
    for what in ("strength", "outside", "cast"):
        assert getattr(found, what) == pytest.approx(np.mean([getattr(row, what) for row in rows]))
    assert found.cast > 10


def test_oracles_are_made_where_there_are_none(folder, known, tmp_path):
    shutil.copy(folder / "truth" / "0001.png", tmp_path)
    assert score(folder, tmp_path).rows == score(folder, tmp_path, known).rows


def test_what_cannot_be_scored(folder, known, tmp_path):
    with pytest.raises(UserError, match="no images; give a folder with translations"):
        score(folder, tmp_path, known)
    Image.new("RGB", (64, 64)).save(tmp_path / "0009.png")
    with pytest.raises(UserError, match=r"0009\.png: there is no test picture of this name"):
        score(folder, tmp_path, known)
    (tmp_path / "0009.png").unlink()
    Image.new("RGB", (128, 96)).save(tmp_path / "0001.png")
    with pytest.raises(UserError, match=r"0001\.png: 128 x 96 pixels, the set is drawn at 64"):
        score(folder, tmp_path, known)
    Image.new("RGB", (64, 64)).save(tmp_path / "0001.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "0001.jpg")
    with pytest.raises(UserError, match=r"0001\.\w+: 0001\.\w+ is a translation of the same picture"):
        score(folder, tmp_path, known)
    with pytest.raises(UserError, match="give a folder with a drawn set"):
        score(tmp_path, tmp_path)
