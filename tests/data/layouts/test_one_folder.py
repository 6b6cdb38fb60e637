from pathlib import Path

import pytest

from instar.core.batch import Unlabelled
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.data import find


@pytest.mark.parametrize(
    ("files", "train", "test"),
    [
        (("1.png", "2.png"), [None, None], []),
        (("cat/1.png", "dog/deep/2.png", "3.png"), [None, "cat", "dog"], []),
        (("cat/1.png",), ["cat"], []),
        (("train/cat/1.png", "train/2.png", "test/cat/3.png"), [None, "cat"], ["cat"]),
        (("cat/1.png", "test/cat/3.png"), ["cat"], ["cat"]),
        (("trainA/1.png", "trainB/2.png", "testA/3.png", "testB/4.png"), ["A", "B"], ["A", "B"]),
        (("trains/1.png", "planes/2.png"), ["planes", "trains"], []),
        (("left/1.png", "left/val/2.png"), ["left", "left"], []),
    ],
)
def test_everything_in_one_folder(make, files: tuple[str, ...], train: list[str | None], test: list[str]) -> None:
    root = make(*files)
    found = find(DataConfig(roots=(root,)), Unlabelled)
    assert sorted((ref.label for ref in found.train["a"]), key=str) == sorted(train, key=str)
    assert [ref.label for ref in found.test["a"]] == test
    assert (found.names["a"], found.names["b"]) == ("set", "set")
    assert found.train["a"] == found.train["b"]


def test_one_folder_refused(make, tmp_path: Path) -> None:
    root = make("1.png")
    for roots, words in (((), "no folders given"), ((root, root), "2 folders given: this method takes one")):
        with pytest.raises(UserError, match=words):
            find(DataConfig(roots=roots), Unlabelled)
    with pytest.raises(UserError, match="no such folder"):
        find(DataConfig(roots=(tmp_path / "nothing",)), Unlabelled)
    with pytest.raises(UserError, match="target=B: this method takes all images of a folder"):
        find(DataConfig(roots=(root,), target="B"), Unlabelled)
    assert find(DataConfig(roots=(root,), source="set", target="set"), Unlabelled).names["a"] == "set"
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no images"):
        find(DataConfig(roots=(tmp_path / "empty",)), Unlabelled)


def test_a_val_folder_of_one_folder(make) -> None:
    root = make(*(f"{split}/{kind}/{i}.png" for split in ("train", "test", "val") for kind in "xy" for i in range(4)))
    found = find(DataConfig(roots=(root,), validation=4), Unlabelled)
    assert (len(found.train["a"]), len(found.test["a"])) == (8, 8)
    assert {(ref.path.parts[-3], ref.label) for ref in found.val["a"]} == {("val", "x"), ("val", "y")}
