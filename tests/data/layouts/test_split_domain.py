import pytest

from instar.core.errors import UserError

from ..searching import names, search


@pytest.mark.parametrize(
    ("files", "domains"),
    [
        (("trainA/1.png", "trainB/2.png", "testA/3.png", "testB/4.png"), ("A", "B")),
        (("train_A/1.png", "train_B/2.png", "valA/3.png", "valB/4.png"), ("A", "B")),
        (("Train-A/1.png", "TRAINING B/2.png", "Test A/3.png", "Testing_b/4.png"), ("A", "b")),
        (("train/1.png", "trainannot/2.png", "test/3.png", "testannot/4.png"), ("image", "annot")),
    ],
)
def test_domains_in_the_names_of_splits(make, files: tuple[str, ...], domains: tuple[str, str]) -> None:
    data = search(make(*files, "readme.txt"))
    assert (data.names["a"], data.names["b"]) == domains
    sides = (data.train["a"], data.train["b"], data.test["a"], data.test["b"])
    assert [names(side) for side in sides] == [["1.png"], ["2.png"], ["3.png"], ["4.png"]]
    assert data.notes == []


def test_test_goes_before_val(make) -> None:
    folders = ("train", "test", "val")
    data = search(make(*(f"{folder}{domain}/{folder}.png" for folder in folders for domain in "AB")))
    assert names(data.test["a"]) == ["test.png"]


def test_one_domain_is_too_few(make) -> None:
    with pytest.raises(UserError, match=r"set holds one domain only \(trainA\): add a folder with images of the other"):
        search(make("trainA/1.png", "testA/1.png"))
    with pytest.raises(UserError, match=r"trainB: no images"):
        search(make("trainB/x.txt"))
