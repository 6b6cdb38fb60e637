from pathlib import Path

import pytest

from instar.core.batch import Paired, Unpaired
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.data import DataSet, ImageRef, Splits
from instar.data.selection import select

from .searching import search


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


def test_a_layout_of_others_may_leave_a_domain_empty() -> None:
    data = DataSet({"x": Splits([ImageRef(Path("1.png"))]), "y": Splits([])})
    for kind in (Paired, Unpaired):
        with pytest.raises(UserError, match="set: there are no training images of y"):
            select(data, DataConfig(roots=(Path("set"),)), kind)


def test_images_by_split_and_rows(make) -> None:
    found = search(
        make(*(f"{split}{d}/{i}.png" for split in ("train", "test") for d in "AB" for i in range(3))), paired=True
    )
    assert found.images("test") is found.test
    assert found.shown is not found.test
    assert found.shown == found.test
    ((first, *_),) = found.rows(found.train)
    assert [ref.path.parent.name for ref in first] == ["trainA", "trainB"]
    alone = search(make("other/A/1.png", "other/B/2.png") / "other")
    assert alone.shown == alone.train
    assert [len(rows) for rows in alone.rows(alone.train)] == [1, 1]
