from pathlib import Path

import pytest

from instar.core.batch import Paired, Unlabelled, Unpaired
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.data import ImageRef, Selection, find


def search(*roots: Path, paired: bool = False, **settings: object) -> Selection:
    return find(DataConfig(roots=roots, **settings), Paired if paired else Unpaired)  # type: ignore[arg-type]


def names(refs: list[ImageRef]) -> list[str]:
    return [ref.path.name for ref in refs]


@pytest.mark.parametrize(
    ("files", "domains"),
    [
        (("trainA/1.png", "trainB/2.png", "testA/3.png", "testB/4.png"), ("A", "B")),
        (("train_A/1.png", "train_B/2.png", "valA/3.png", "valB/4.png"), ("A", "B")),
        (("train/horse/1.png", "train/zebra/2.png", "test/horse/3.png", "test/zebra/4.png"), ("horse", "zebra")),
        (("train/horse/1.png", "train/zebra/2.png", "val/horse/3.png", "val/zebra/4.png"), ("horse", "zebra")),
        (("horse/train/1.png", "zebra/train/2.png", "horse/test/3.png", "zebra/test/4.png"), ("horse", "zebra")),
        (("horse/1.png", "zebra/2.png", "horse/val/3.png", "zebra/test/4.png"), ("horse", "zebra")),
        (("train/1.png", "trainannot/2.png", "test/3.png", "testannot/4.png"), ("image", "annot")),
    ],
)
def test_layouts_of_two_domains(make, files: tuple[str, ...], domains: tuple[str, str]) -> None:
    data = search(make(*files, "readme.txt"))
    assert (data.names["a"], data.names["b"]) == domains
    sides = (data.train["a"], data.train["b"], data.test["a"], data.test["b"])
    assert [names(side) for side in sides] == [["1.png"], ["2.png"], ["3.png"], ["4.png"]]
    assert data.notes == []


def test_test_goes_before_val(make) -> None:
    folders = ("train", "test", "val")
    data = search(make(*(f"{folder}{domain}/{folder}.png" for folder in folders for domain in "AB")))
    assert names(data.test["a"]) == ["test.png"]


def test_two_roots(make) -> None:
    root = make("photos/train/1.png", "photos/test/2.png", "art/x/3.png", "art/4.png")
    data = search(root / "photos", root / "art")
    assert (data.names["a"], data.names["b"]) == ("photos", "art")
    assert names(data.train["a"]) == ["1.png"]
    assert names(data.train["b"]) == ["4.png", "3.png"]
    same = search(root / "photos/train", make("other/train/1.png") / "other/train")
    assert (same.names["a"], same.names["b"]) == ("photos/train", "other/train")


def test_a_domain_may_begin_like_a_split(make) -> None:
    data = search(make("trains/1.png", "planes/2.png"))
    assert (data.names["a"], data.names["b"]) == ("planes", "trains")


def test_direction(make) -> None:
    root = make("train/Horse/1.png", "train/zebra/2.png")
    for settings in ({"source": "ZEBRA"}, {"target": "horse"}, {"source": "zebra", "target": "Horse"}):
        data = search(root, **settings)
        assert (data.names["a"], data.names["b"]) == ("zebra", "Horse")
    with pytest.raises(UserError, match=r"source=zebre.*did you mean 'zebra'"):
        search(root, source="zebre")
    with pytest.raises(UserError, match="both zebra"):
        search(root, source="zebra", target="zebra")


def test_three_domains_need_both_names(make) -> None:
    root = make("train/a/1.png", "train/b/1.png", "train/c/1.png")
    for settings in ({}, {"source": "a"}):
        with pytest.raises(UserError, match=r"3 domains \(a, b, c\): choose two with source and target"):
            search(root, **settings)
    assert search(root, source="c", target="a").names["a"] == "c"


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
    assert search(root, holdout=0).train["a"] == data.train["a"] + data.test["a"]


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


def test_paired_holdout_keeps_the_same_pairs(make) -> None:
    data = search(make(*(f"{d}/{i}.png" for d in "AB" for i in range(20))), paired=True)
    assert names(data.test["a"]) == names(data.test["b"]) == ["18.png", "19.png"]
    assert "the last 2 pairs" in data.notes[0]


def test_no_pair_matches(make) -> None:
    with pytest.raises(UserError, match=r"cat1\.png against dog1\.png"):
        search(make("A/cat1.png", "B/dog1.png"), paired=True)


@pytest.mark.parametrize("files", [("train/1.png", "val/2.png"), ("1.png", "2.png")])
def test_side_by_side(make, files: tuple[str, ...]) -> None:
    root = make(*files, size=(40, 20))
    data = search(root, paired=True)
    assert data.train["a"][0].half == "left"
    assert data.train["b"][0].path == data.train["a"][0].path
    assert data.train["a"][0].read().size == (20, 20)
    whole = ImageRef(data.train["a"][0].path).read()
    assert data.train["b"][0].read().tobytes() == whole.crop((20, 0, 40, 20)).tobytes()
    assert data.train["a"][0].probe() == (20, 20, False)
    swapped = search(root, paired=True, source="B")
    assert (swapped.names["a"], swapped.train["a"][0].half) == ("B", "right")
    unpaired = search(root)
    assert unpaired.train["a"] == data.train["a"]
    assert "two domains" in unpaired.notes[0]


def test_side_by_side_sizes(make) -> None:
    root = make("train/1.png", size=(41, 20))
    with pytest.raises(UserError, match=r"1\.png is 41 pixels wide"):
        search(root, paired=True)
    make("train/1.png", size=(20, 41))
    with pytest.raises(UserError, match="20 x 41, not a pair"):
        search(root, paired=True)
    with pytest.raises(UserError, match="one domain only"):
        search(root)


def test_errors_name_the_folder_and_the_remedy(make, tmp_path: Path) -> None:
    root = make("one/1.png", "two/a.txt", "two/b.txt", "two/c", "none/d.txt", "trainA/1.png", "only/trainA/1.png",
                "only/testA/1.png")  # fmt: skip
    (tmp_path / "empty").mkdir()
    cases = [
        ((), "name a data set folder"),
        ((root,) * 3, "3 folders given"),
        ((tmp_path / "nothing",), "there is no such folder"),
        ((root / "one/1.png",), "is a file: give the folder"),
        ((tmp_path / "empty",), "empty: no images .the folder is empty."),
        ((root / "two",), r"two: no images .found 2 \.txt files, 1 unnamed file."),
        ((root / "one", root / "none"), r"none: no images .found 1 \.txt file."),
        ((root / "one", root / "one"), "given for both"),
        ((root / "one",), "one domain only"),
        ((root / "only",), "one domain only"),
    ]
    for roots, message in cases:
        with pytest.raises(UserError, match=message) as error:
            search(*roots)
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=r"B: no images .*so A is the only domain"):
        search(make("deep/A/1.png", "deep/B/x.txt") / "deep")


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


def test_what_is_kept_from_training_is_spread(make) -> None:
    root = make(*(f"{folder}/{i}.png" for folder in ("a", "b", "c") for i in range(10)))
    found = find(DataConfig(roots=(root,), holdout=3), Unlabelled)
    assert [ref.label for ref in found.test["a"]] == ["a", "b", "c"]
    assert len(found.train["a"]) == 27
    assert not set(found.train["a"]) & set(found.test["a"])
    assert find(DataConfig(roots=(root,), holdout=0), Unlabelled).notes == ["there are no test images"]


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
    for train, test, val in ((found.train["a"], found.test["a"], found.val["a"]), (found.train["b"], found.test["b"], found.val["b"])):
        assert (len(train), len(test)) == (6, 6)
        assert names(val) == ["0.png", "2.png", "4.png"]
        assert all("val" in str(ref.path.relative_to(root)) for ref in val)
    assert found.notes == ["validation images are those of the val folder"]
    assert search(root, paired=paired).val["a"] == []
    with pytest.raises(UserError, match=r"data\.validation=7: the val folder of A has 6 images; ask for less"):
        search(root, paired=paired, validation=7)


def test_a_val_folder_of_pairs_side_by_side(make) -> None:
    root = make(*(f"{split}/{i}.png" for split in ("train", "test", "val") for i in range(4)), size=(80, 40))
    found = search(root, paired=True, validation=2)
    assert [(ref.path.parent.name, ref.path.name, ref.half) for ref in found.val["b"]] == [
        ("val", "0.png", "right"),
        ("val", "2.png", "right"),
    ]
    assert len(found.train["a"]) == 4


def test_without_val_of_both_domains_validation_images_come_from_training(make) -> None:
    files = [f"{split}/{side}/{i}.png" for split in ("train", "test") for side in "AB" for i in range(6)]
    found = search(make(*files, "val/A/0.png"), validation=2)
    assert (len(found.train["a"]), len(found.train["b"])) == (4, 4)
    assert {ref.path.parts[-3] for ref in found.val["a"]} == {"train"}


def test_a_val_folder_of_one_folder(make) -> None:
    root = make(*(f"{split}/{kind}/{i}.png" for split in ("train", "test", "val") for kind in "xy" for i in range(4)))
    found = find(DataConfig(roots=(root,), validation=4), Unlabelled)
    assert (len(found.train["a"]), len(found.test["a"])) == (8, 8)
    assert {(ref.path.parts[-3], ref.label) for ref in found.val["a"]} == {("val", "x"), ("val", "y")}
