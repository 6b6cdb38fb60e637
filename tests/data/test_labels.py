"""Classes of images, from the folders in which they lie."""

from dataclasses import replace

import pytest
import torch

from instar.core.batch import Labelled, Unpaired
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.core.formats import DomainFormat
from instar.data import find, open_data
from instar.data.labels import classes, kept, labelled, numbers
from instar.data.refs import ImageRef


def settings(root, **changes: object) -> DataConfig:
    return DataConfig(**{"roots": (root,), "size": 24, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "pattern", ["trainA/{}/{}.png", "train/A/{}/{}.png", "A/train/{}/{}.png", "A/{}/{}.png", "A/{}/deep/{}.png"]
)
def test_sub_folders_are_classes(make, pattern: str) -> None:
    root = make(*(pattern.format(name, i) for name in ("cat", "dog") for i in range(3)))
    make(*(pattern.replace("A/", "B/").format("x", i) for i in range(3)))
    data = find(settings(root), Unpaired)
    assert [ref.label for ref in data.train["a"]] == ["cat"] * 3 + ["dog"] * 3
    assert {ref.label for ref in data.train["b"]} == {"x"}


def test_images_without_a_class(make) -> None:
    root = make("trainA/cat/1.png", "trainA/2.png", "trainB/1.png")
    assert [ref.label for ref in find(settings(root), Unpaired).train["a"]] == [None, "cat"]
    open_data(settings(root), 3, Unpaired, batch=1, seed=0)
    with pytest.raises(UserError, match=r"2\.png has no class: A needs a folder for each class"):
        open_data(settings(root), 3, Labelled, batch=1, seed=0)


def test_one_class_is_too_few(make) -> None:
    root = make("trainA/cat/1.png", "trainB/1.png")
    with pytest.raises(UserError, match="all images of A are of the class cat"):
        open_data(settings(root), 3, Labelled, batch=1, seed=0)


def test_classes_are_in_natural_order() -> None:
    refs = [ImageRef(path=None, label=name) for name in ("10", "2", "1", "10")]  # type: ignore[arg-type]
    names = classes(refs, "A")
    assert names == ["1", "2", "10"]
    assert numbers(["10", "1", None], names).tolist() == [2, 0, -1]
    with pytest.raises(UserError, match="class '3', but the classifier knows 1, 2, 10"):
        numbers(["3"], names)


def test_batches_of_labelled_folders(make) -> None:
    """An unreadable file takes its label with it; the other domain's classes are nobody's business."""
    root = make(*(f"trainA/{c}/{c}{i}.png" for c in "xyz" for i in range(4)), *(f"trainB/q/{i}.png" for i in range(5)))
    (root / "trainA/x/x1.png").write_bytes(b"")
    data = open_data(settings(root, max_bad=0.2), 3, Labelled, batch=4, seed=0)
    assert data.classes == ("x", "y", "z")
    for step in range(6):
        batch = data.train.batch(step)
        assert isinstance(batch, Labelled)
        assert batch.labels.tolist() == ["xyz".index(name[-6]) for name in batch.names[:4]]
    ranks = [replace(data.train, rank=rank, world=2).batch(1) for rank in range(2)]
    assert torch.equal(torch.cat([part.labels for part in ranks]), data.train.batch(1).labels)
    assert isinstance(data.samples(2), Unpaired)


def test_moving_a_batch_moves_its_labels() -> None:
    batch = Labelled(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), ("a", "b"), torch.tensor([3]))
    moved = batch.to(torch.device("meta"))
    assert {moved.a.device.type, moved.b.device.type, moved.labels.device.type} == {"meta"}
    assert moved.names == batch.names


def test_labelled_images_to_score_on(make) -> None:
    root = make(*(f"trainA/{c}/{i}.png" for c in "xy" for i in range(4)), "trainB/1.png")
    make(*(f"testA/{c}/{i}.png" for c in "yx" for i in range(3)), "testA/none.png", size=(40, 30))
    (root / "testA/y/2.png").write_bytes(b"")
    data = find(settings(root), Unpaired)
    batches = list(labelled(data.test["a"], classes(data.train["a"], "A"), DomainFormat(channels=1), 24, batch=4))
    assert [images.shape for images, _ in batches] == [(4, 1, 24, 24), (1, 1, 24, 24)]
    assert torch.cat([labels for _, labels in batches]).tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("share", "left"), [(1.0, (10, 4)), (0.5, (5, 2)), (0.3, (3, 1)), (0.1, (1, 1)), (0.0, (1, 1))]
)
def test_a_share_of_each_class(share: float, left: tuple[int, int]) -> None:
    """max(1, int(n p)) of a class of n, as in TUNIT's code."""
    labels = torch.tensor([0] * 10 + [-1] + [1] * 4)
    found = kept(labels, share)
    assert ((found == 0).sum(), (found == 1).sum()) == left
    assert torch.equal(found[found >= 0], labels[found >= 0])
    assert torch.equal(labels, torch.tensor([0] * 10 + [-1] + [1] * 4))


def test_what_is_left_is_spread() -> None:
    assert (kept(torch.zeros(12, dtype=torch.int64), 0.25) == 0).nonzero()[:, 0].tolist() == [0, 4, 8]
