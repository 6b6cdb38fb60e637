import pytest

from instar.core.errors import UserError
from instar.data import ImageRef

from ..searching import names, search


@pytest.mark.parametrize("files", [("train/1.png", "val/2.png"), ("1.png", "2.png")])
def test_side_by_side(make, files: tuple[str, ...]) -> None:
    root = make(*files, size=(40, 20))
    data = search(root, paired=True)
    assert data.train["a"][0].half == "left"
    assert data.train["b"][0].path == data.train["a"][0].path
    assert data.train["a"][0].read().size == (20, 20)
    whole = ImageRef(data.train["a"][0].path).read()
    assert data.train["b"][0].read().tobytes() == whole.crop((20, 0, 40, 20)).tobytes()
    assert data.train["a"][0].probe()[:2] == (20, 20)
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


def test_a_val_folder_of_pairs_side_by_side(make) -> None:
    root = make(*(f"{split}/{i}.png" for split in ("train", "test", "val") for i in range(4)), size=(80, 40))
    found = search(root, paired=True, validation=2)
    assert [(ref.path.parent.name, ref.path.name, ref.half) for ref in found.val["b"]] == [
        ("val", "0.png", "right"),
        ("val", "2.png", "right"),
    ]
    assert len(found.train["a"]) == 4


def test_halves_of_a_wide_picture_are_two_domains_for_pairs_alone(make) -> None:
    root = make("train/1.png", "train/2.png", size=(60, 40))
    assert len(search(root, paired=True).train["b"]) == 2
    with pytest.raises(UserError, match="set holds one domain only: give a second folder"):
        search(root)


def test_files_of_one_name_and_two_suffixes_are_two_pairs(make) -> None:
    data = search(make("1.png", "1.jpg", size=(40, 20)), paired=True)
    assert names(data.train["a"]) == names(data.train["b"]) == ["1.jpg", "1.png"]
