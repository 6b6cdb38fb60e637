import pytest

from instar.core.errors import UserError

from ..searching import names, search


@pytest.mark.parametrize(
    "files",
    [
        ("horse/train/1.png", "zebra/train/2.png", "horse/test/3.png", "zebra/test/4.png"),
        ("horse/1.png", "zebra/2.png", "horse/val/3.png", "zebra/test/4.png"),
    ],
)
def test_folders_of_domains(make, files: tuple[str, ...]) -> None:
    data = search(make(*files, "readme.txt", ".hidden/5.png"))
    assert data.names == {"a": "horse", "b": "zebra"}
    sides = (data.train["a"], data.train["b"], data.test["a"], data.test["b"])
    assert [names(side) for side in sides] == [["1.png"], ["2.png"], ["3.png"], ["4.png"]]
    assert data.notes == []


def test_a_domain_may_begin_like_a_split(make) -> None:
    data = search(make("trains/1.png", "planes/2.png"))
    assert (data.names["a"], data.names["b"]) == ("planes", "trains")


def test_test_images_alone_are_no_domain(make) -> None:
    with pytest.raises(UserError, match="B: there are test images only; training needs others"):
        search(make("A/1.png", "B/test/2.png"))
