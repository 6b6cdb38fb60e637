import unicodedata
from dataclasses import dataclass

import pytest
from torch import Tensor

from instar.core.batch import Batch, Part, Unlabelled
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.data import find

from .searching import names, search


def test_holdout_takes_the_last_images(make) -> None:
    root = make(*(f"A/{i}.png" for i in range(25)), *(f"B/{i}.png" for i in range(9)))
    data = search(root)
    assert names(data.test["a"]) == ["23.png", "24.png"]
    assert names(data.train["a"])[-1] == "22.png"
    assert (len(data.train["b"]), data.test["b"]) == (9, [])
    assert data.notes == [
        "no test folder: the last 2 images of A and 0 of B are kept from training for the sample pictures"
    ]
    assert len(search(root, holdout=1).test["a"]) == 1
    assert search(root, holdout=0).train["a"] == [*data.train["a"], *data.test["a"]]


def test_pairs_by_name(make) -> None:
    root = make("train/photo/1.png", "train/photo/2.jpg", "train/photo/x/3.png", "train/label/2.png",
                "train/label/x/3.jpg", "train/label/5.png")  # fmt: skip
    data = search(root, paired=True, source="photo")
    assert names(data.train["a"]) == ["2.jpg", "3.png"]
    assert names(data.train["b"]) == ["2.png", "3.jpg"]
    assert "1 train image of photo without a partner: 1.png" in data.notes
    assert "1 train image of label without a partner: 5.png" in data.notes


def test_pairs_of_annotations(make) -> None:
    root = make("train/1.png", "trainannot/1.png", "val/2.png", "valannot/2.png")
    data = search(root, paired=True)
    assert (data.names["a"], data.names["b"]) == ("image", "annot")
    assert names(data.test["b"]) == ["2.png"]
    assert data.test["b"][0].path.parent.name == "valannot"
    two = search(root / "train", root / "trainannot", paired=True)
    assert two.train["b"] == data.train["b"]


@dataclass(frozen=True)
class Trio(Batch):
    """Rows of three, and a fourth domain for itself."""

    a: Tensor
    b: Tensor
    c: Tensor
    d: Tensor
    names: tuple[str, ...] = ()

    needs = "rows of three and a folder"
    parts = {"a": Part(), "b": Part(side=1), "c": Part(side=2), "d": Part(order=1, crop=1)}


def test_rows_of_three_by_name(make) -> None:
    root = make(*(f"{d}/{i}.png" for d in ("x", "y", "z") for i in range(20)), *(f"free/{i}.png" for i in range(10)))
    (root / "y/4.png").rename(root / "y/four.png")
    cfg = DataConfig(roots=(root,), domains=("x", "y", "z", "free"), validation=2)
    found = find(cfg, Trio)
    assert found.names == {"a": "x", "b": "y", "c": "z", "d": "free"}
    for split in ("train", "test", "val"):
        images = found.images(split)
        assert names(images["a"]) == names(images["b"]) == names(images["c"])
        assert {ref.path.parent.name for ref in images["c"]} == {"z"}
    assert [len(refs) for refs in found.train.values()] == [16, 16, 16, 7]
    assert [len(refs) for refs in found.val.values()] == [2, 2, 2, 2]
    assert found.notes == [
        "1 train image of x without a partner: 4.png",
        "1 train image of y without a partner: four.png",
        "1 train image of z without a partner: 4.png",
        "no test folder: the last 1 pair and 1 of free are kept from training for the sample pictures",
    ]
    odd = make("odd/free/0.png", "odd/y/four.png", "odd/z/4.png", "odd/x/1.png") / "odd"
    cfg = DataConfig(roots=(odd,), domains=("free", "y", "z", "x"))
    with pytest.raises(UserError, match=r"no train image of free has the name of one of y and z: 0\.png against four"):
        find(cfg, Trio)


def test_paired_holdout_keeps_the_same_pairs(make) -> None:
    data = search(make(*(f"{d}/{i}.png" for d in "AB" for i in range(20))), paired=True)
    assert names(data.test["a"]) == names(data.test["b"]) == ["18.png", "19.png"]
    assert "the last 2 pairs" in data.notes[0]


def test_no_pair_matches(make) -> None:
    with pytest.raises(UserError, match=r"cat1\.png against dog1\.png"):
        search(make("A/cat1.png", "B/dog1.png"), paired=True)


def test_what_is_kept_from_training_is_spread(make) -> None:
    root = make(*(f"{folder}/{i}.png" for folder in ("a", "b", "c") for i in range(10)))
    found = find(DataConfig(roots=(root,), holdout=3), Unlabelled)
    assert [ref.label for ref in found.test["a"]] == ["a", "b", "c"]
    assert len(found.train["a"]) == 27
    assert not set(found.train["a"]) & set(found.test["a"])
    assert find(DataConfig(roots=(root,), holdout=0), Unlabelled).notes == ["there are no test images"]


def test_validation_images_are_spread_over_the_training_images_and_pairs_stay_pairs(make) -> None:
    root = make(*(f"train{side}/{i}.png" for side in "AB" for i in range(10)), "testA/x.png", "testB/x.png")
    found = search(root, paired=True, validation=3)
    assert names(found.val["a"]) == names(found.val["b"]) == ["0.png", "3.png", "6.png"]
    assert names(found.train["a"]) == names(found.train["b"]) == [f"{i}.png" for i in (1, 2, 4, 5, 7, 8, 9)]
    assert names(found.test["a"]) == ["x.png"]
    plain = search(root)
    assert (len(plain.train["a"]), plain.val["a"]) == (10, [])
    with pytest.raises(UserError, match=r"data\.validation=6: A has 10 training images, keep at most half"):
        search(root, validation=6)


VAL_BESIDE_TEST = {
    "trainA": [f"{split}{side}/{i}.png" for split in ("train", "test", "val") for side in "AB" for i in range(6)],
    "train/A": [f"{split}/{side}/{i}.png" for split in ("train", "test", "val") for side in "AB" for i in range(6)],
    "A/train": [f"{side}/{split}/{i}.png" for split in ("train", "test", "val") for side in "AB" for i in range(6)],
    "A/val": [f"{side}/{split}{i}.png" for split in ("", "test/", "val/") for side in "AB" for i in range(6)],
}


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("layout", VAL_BESIDE_TEST)
def test_a_val_folder_beside_test_is_for_validation(make, layout: str, paired: bool) -> None:
    root = make(*VAL_BESIDE_TEST[layout])
    found = search(root, paired=paired, validation=3)
    for train, test, val in (
        (found.train["a"], found.test["a"], found.val["a"]),
        (found.train["b"], found.test["b"], found.val["b"]),
    ):
        assert (len(train), len(test)) == (6, 6)
        assert names(val) == ["0.png", "2.png", "4.png"]
        assert all("val" in str(ref.path.relative_to(root)) for ref in val)
    assert found.notes == ["validation images are those of the val folder"]
    assert search(root, paired=paired).val["a"] == []
    with pytest.raises(UserError, match=r"data\.validation=7: the val folder of A has 6 images; ask for less"):
        search(root, paired=paired, validation=7)


def test_without_val_of_both_domains_validation_images_come_from_training(make) -> None:
    files = [f"{split}/{side}/{i}.png" for split in ("train", "test") for side in "AB" for i in range(6)]
    found = search(make(*files, "val/A/0.png"), validation=2)
    assert (len(found.train["a"]), len(found.train["b"])) == (4, 4)
    assert {ref.path.parts[-3] for ref in found.val["a"]} == {"train"}


def test_full_names_come_first_and_ambiguity_is_said(make) -> None:
    root = make("trainA/0.jpg", "trainA/0.png", "trainA/1.jpg", "trainB/0.png", "trainB/1.png", "trainB/1.jpeg")
    data = search(root, paired=True)
    assert [ref.path.name for ref in data.train["a"]] == ["0.png", "1.jpg"]
    assert [ref.path.name for ref in data.train["b"]] == ["0.png", "1.jpeg"]
    (said,) = (note for note in data.notes if "might be others" in note)
    assert said.endswith("the first is taken: 1.jpg with 1.jpeg")


def test_names_in_two_spellings_of_unicode(make) -> None:
    composed, apart = (unicodedata.normalize(form, "é0") for form in ("NFC", "NFD"))
    root = make(f"trainA/{composed}.png", f"trainA/{apart}1/1.png", f"trainB/{apart}.png", f"trainB/{composed}1/1.png")
    data = search(root, paired=True)
    assert len(data.train["a"]) == 2
    assert {ref.label for ref in data.train["a"]} == {ref.label for ref in data.train["b"]}


def test_what_is_left_out_is_said(make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instar.core.listing.is_installed", lambda: False)
    root = make("trainA/1.png", "trainA/#recycle/9.png", "trainB/2.png", "trainB/x.heic", "testA/3.png", "testB/n.txt")
    data = search(root)
    assert len(data.left_out) == 3
    assert sum(note.startswith("left out: ") for note in data.notes) == 3


def test_a_domain_that_is_a_link(make, tmp_path) -> None:
    make("trainB/2.png", "../far/1.png")
    root = tmp_path / "set"
    (root / "trainA").mkdir()
    (root / "trainA/more").symlink_to(tmp_path / "far")
    assert names(search(root).train["a"]) == ["1.png"]
