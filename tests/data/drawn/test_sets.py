import json

import numpy as np
import pytest
from PIL import Image

from instar.core.errors import UserError
from instar.data.drawn import sets
from instar.data.drawn.kinds import KINDS


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn") / "mask"
    sets.write("mask", folder, level="easy", size=64, train=2, test=3)
    return folder


def test_what_is_written(folder):
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    wanted = {f"train{domain}/000{i}.png" for domain in "AB" for i in range(2)}
    wanted |= {f"{part}/000{i}.png" for part in ("testA", "testB", "truth", "masks") for i in range(3)}
    assert found == wanted | {"scenes.json"}
    drawn = KINDS["mask"]
    assert (pixels(folder / "trainB/0001.png") == drawn.draw(drawn.scene("easy", "train", "B", 1), 64)).all()
    assert (pixels(folder / "testA/0002.png") == drawn.draw(drawn.scene("easy", "test", "A", 2), 64)).all()
    assert (pixels(folder / "truth/0002.png") == drawn.draw(drawn.truth("easy", "test", 2), 64)).all()


def test_masks_are_where_input_and_truth_differ(folder):
    for i in range(3):
        a, b, mask = (pixels(folder / part / f"000{i}.png") for part in ("testA", "truth", "masks"))
        apart = np.abs(a.astype(int) - b).max(2)
        assert set(np.unique(mask)) == {0, 255}
        assert (apart[mask == 0] <= 2).all()
        assert (apart[mask == 255] > 2).all()


def test_no_two_pictures_are_the_same(folder):
    pictures = [path.read_bytes() for path in folder.rglob("*.png") if path.parent.name != "masks"]
    assert len(set(pictures)) == len(pictures)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_scenes_are_read_as_they_were_drawn(name, tmp_path):
    sets.write(name, tmp_path, level="cluttered", train=0, test=1)
    found, drawn = sets.read(tmp_path), KINDS[name]
    assert (found.kind, found.level, found.size) == (drawn, "cluttered", 64)
    assert found.inputs == {"0000": drawn.scene("cluttered", "test", "A", 0)}
    assert found.truths == {"0000": drawn.truth("cluttered", "test", 0)}


def test_what_cannot_be_drawn(tmp_path):
    with pytest.raises(UserError, match="no drawn set 'maks'"):
        sets.write("maks", tmp_path)
    with pytest.raises(UserError, match="no level 'hard'; there is: cluttered, easy"):
        sets.write("mask", tmp_path, level="hard")
    with pytest.raises(UserError, match="64 px or more, not 32"):
        sets.write("mask", tmp_path, size=32)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 2}', "\x00"])
def test_a_file_that_is_no_set_is_named(content, tmp_path):
    (tmp_path / "scenes.json").write_text(content)
    with pytest.raises(UserError, match=r"scenes\.json: not the scenes of a drawn set"):
        sets.read(tmp_path)


def test_a_folder_without_scenes_and_another_version(folder, tmp_path):
    with pytest.raises(UserError, match="give a folder with a drawn set"):
        sets.read(tmp_path)
    values = json.loads((folder / "scenes.json").read_text())
    (tmp_path / "scenes.json").write_text(json.dumps(values | {"version": sets.VERSION + 1}))
    with pytest.raises(UserError, match=f"this is {sets.VERSION}; write the set again"):
        sets.read(tmp_path)
    values["scenes"]["testA"]["0000"].pop("head")
    (tmp_path / "scenes.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match="not the scenes of a drawn set"):
        sets.read(tmp_path)
