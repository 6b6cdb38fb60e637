import pytest

from instar.core.errors import UserError

from ..searching import names, search


def test_two_roots(make) -> None:
    root = make("photos/train/1.png", "photos/test/2.png", "art/x/3.png", "art/4.png")
    data = search(root / "photos", root / "art")
    assert (data.names["a"], data.names["b"]) == ("photos", "art")
    assert names(data.train["a"]) == ["1.png"]
    assert names(data.train["b"]) == ["4.png", "3.png"]
    same = search(root / "photos/train", make("other/train/1.png") / "other/train")
    assert (same.names["a"], same.names["b"]) == ("photos/train", "other/train")


def test_names_are_as_long_as_they_must_be(make) -> None:
    root = make("x/art/train/1.png", "y/art/train/2.png")
    found = search(root / "x/art/train", root / "y/art/train")
    assert list(found.names.values()) == ["x/art/train", "y/art/train"]
    swapped = search(root / "x/art/train", root / "y/art/train", source="y/art/train")
    assert list(swapped.names.values()) == ["y/art/train", "x/art/train"]


def test_a_root_is_given_once(make) -> None:
    root = make("photos/1.png")
    with pytest.raises(UserError, match="given for both domains"):
        search(root / "photos", root / "photos" / ".." / "photos")
