import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from instar.core.errors import UserError
from instar.core.formats import DomainFormat
from instar.core.method import defaults
from instar.core.registry import get
from instar.data import ImageRef
from instar.data.drawn import sets
from instar.evaluation.drawn import CAST, OUTSIDE, STRENGTH, TARGET, DrawnTruth, oracles, score
from instar.evaluation.evaluator import Evaluator, Translation
from instar.evaluation.held_out import held_out, squares
from instar.evaluation.score import by_name
from instar.inference.translator import Translator

from .parts import extractor

COLOUR = DomainFormat(channels=3)


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


def refs(folder):
    return [ImageRef(path) for path in sorted(folder.iterdir())]


def test_the_truth_beside_the_inputs_of_a_run(folder):
    found, notes = DrawnTruth.of(refs(folder / "testA"), 64)
    assert notes == []
    truths, copies = (next(squares(refs(folder / part), COLOUR, 64)) for part in ("truth", "testA"))
    scores = by_name(found.scores(found.read(truths, range(5))))
    assert list(scores) == [TARGET, STRENGTH, OUTSIDE, CAST]
    assert scores[TARGET] == 1
    assert by_name(found.scores(found.read(copies, range(5))))[TARGET] == 0
    later = found.read(truths[3:], [3, 4])
    assert [row.target for row in later] == [True, True], "each is compared with its own scene"


def test_no_truth_of_other_pictures(folder, tmp_path):
    assert DrawnTruth.of(refs(folder / "testB"), 64) == (None, [])
    assert DrawnTruth.of([*refs(folder / "testA"), *refs(folder / "testB")], 64) == (None, [])
    none, (said,) = DrawnTruth.of(refs(folder / "testA"), 128)
    assert none is None
    assert said == "the truth of this drawn set is known for its own pictures, at 64 px"
    old = tmp_path / "old"
    shutil.copytree(folder / "testA", old / "testA")
    values = json.loads((folder / "scenes.json").read_text())
    (old / "scenes.json").write_text(json.dumps({**values, "version": 1}))
    none, (said,) = DrawnTruth.of(refs(old / "testA"), 64)
    assert none is None
    assert "write the set again" in said


@pytest.mark.parametrize(("size", "known"), [(64, True), (32, False)])
def test_evaluate_scores_a_drawn_set_by_its_truth(tmp_path, size, known):
    folder = tmp_path / "set"
    sets.write("ears", folder, level="easy", train=1, test=3)
    base = defaults("cut", get("cut"), "tiny")
    images = held_out(replace(base, data=replace(base.data, roots=(folder,))), (), "b", size=size)
    method = get("cut")(base.method)
    translator = Translator(method.eval(), replace(base, data=replace(base.data, size=size)))
    evaluator = Evaluator.of(images, extractor(), None, translator)
    copy, notes = evaluator.copy()
    made = by_name(evaluator.scores(Translation(tmp_path, "cpu", "b", translator), "last")[0])
    assert (TARGET in by_name(copy)) == (TARGET in made) == known
    assert any("drawn set is known for its own pictures" in note for note in notes) != known
    if known:
        assert by_name(copy)[TARGET] == by_name(copy)[OUTSIDE] == 0
        assert made[OUTSIDE] > 5
