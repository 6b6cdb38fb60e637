from pathlib import Path

import pytest

from instar.core.batch import ManyDomains, Paired, Unpaired
from instar.core.config import DataConfig, ManyDomainsConfig, MethodConfig, RunConfig, TrainConfig
from instar.core.errors import UserError
from instar.data import DataSet, ImageRef, Splits
from instar.data.selection import find, select, with_number_of_domains

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


def counted(data: DataConfig, domains: int | None = None) -> MethodConfig:
    config = RunConfig(name="x", preset="x", method=ManyDomainsConfig(domains=domains), data=data, train=TrainConfig())
    return with_number_of_domains(config).method


@pytest.mark.parametrize("layout", ["train/{}/1.png", "{}/1.png", "train{}/1.png"])
def test_any_number_of_domains_is_that_of_the_folders(make, layout: str) -> None:
    root = make(*(layout.format(name) for name in ("cat", "dog", "eel", "fox")))
    data = DataConfig(roots=(root,))
    assert counted(data) == ManyDomainsConfig(domains=4)
    assert counted(data, 7) == ManyDomainsConfig(domains=7)
    found = find(data, ManyDomains.of(4))
    assert list(found.names.values()) == ["cat", "dog", "eel", "fox"]
    assert list(found.train) == list(ManyDomains.of(4).parts)


def test_domains_that_are_named_are_counted(make) -> None:
    root = make("train/cat/1.png", "train/dog/1.png", "train/eel/1.png", "train/fox/1.png")
    assert counted(DataConfig(roots=(root,), domains=("fox", "cat", "eel"))) == ManyDomainsConfig(domains=3)
    assert counted(DataConfig(roots=(root,), source="fox", target="cat")) == ManyDomainsConfig(domains=2)
    several = tuple(root / "train" / name for name in ("eel", "dog"))
    assert counted(DataConfig(roots=several)) == ManyDomainsConfig(domains=2)
    assert counted(DataConfig()) == ManyDomainsConfig()
    with pytest.raises(UserError, match="holds one domain only"):
        counted(DataConfig(roots=(make("alone/cat/1.png") / "alone",)))
    with pytest.raises(UserError, match=r"4 domains \(cat, dog, eel, fox\), not 3: set method\.domains=4, or choose 3"):
        find(DataConfig(roots=(root,)), ManyDomains.of(3))
