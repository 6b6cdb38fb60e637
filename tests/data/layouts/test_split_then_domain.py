import pytest

from instar.core.errors import UserError

from ..searching import names, search


@pytest.mark.parametrize("held", ["test", "val"])
def test_domains_below_splits(make, held: str) -> None:
    files = ("train/horse/1.png", "train/zebra/2.png", f"{held}/horse/3.png", f"{held}/Zebra/4.png")
    data = search(make(*files, "readme.txt"))
    assert data.names == {"a": "horse", "b": "zebra"}
    sides = (data.train["a"], data.train["b"], data.test["a"], data.test["b"])
    assert [names(side) for side in sides] == [["1.png"], ["2.png"], ["3.png"], ["4.png"]]
    assert data.notes == []


def test_what_is_missing_is_named(make) -> None:
    with pytest.raises(UserError, match=r"train/B: no images .*so A is the only domain"):
        search(make("train/A/1.png", "train/B/x.txt"))
    with pytest.raises(UserError, match=r"train: no images .found 1 \.txt file."):
        search(make("other/train/x.txt") / "other")
