from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from instar.core.batch import Batch, Labelled, ManyDomains, Paired, Part, Unlabelled, Unpaired


@dataclass(frozen=True)
class Mixed(Batch):
    """Pairs of a and c, and b for itself, seen twice."""

    a: Tensor
    b: Tensor
    c: Tensor
    d: Tensor
    names: tuple[str, ...] = ()

    needs = "pairs and a folder"
    parts = {"a": Part(0, 0, 0), "b": Part(1, 0, 1), "c": Part(0, 1, 0), "d": Part(1, 0, 2)}


@pytest.mark.parametrize(
    ("kind", "rows", "paired"),
    [
        (Unpaired, (("a",), ("b",)), set()),
        (Labelled, (("a",), ("b",)), set()),
        (Paired, (("a", "b"),), {"ab", "ba"}),
        (Unlabelled, (("a",),), set()),
        (Mixed, (("a", "c"), ("b",)), {"ac", "ca"}),
    ],
)
def test_what_a_kind_needs(kind: type[Batch], rows: tuple[tuple[str, ...], ...], paired: set[str]) -> None:
    assert kind.rows() == rows
    assert kind.sources() == tuple(domain for row in rows for domain in row)
    assert {x + y for x in kind.parts for y in kind.parts if x != y and kind.paired(x, y)} == paired
    assert not any(kind.paired(x, x) for x in kind.parts)
    assert kind.needs


@pytest.mark.parametrize("kind", [Unpaired, Labelled, Paired, Unlabelled, Mixed])
def test_images_by_domain_and_names_once_for_each_file(kind: type[Batch]) -> None:
    images = {domain: torch.rand(2, 3, 4, 4) for domain in kind.parts}
    names = {domain: [f"{domain}{i}" for i in range(2)] for domain in kind.parts}
    batch = kind.collate(images, names, {})
    assert type(batch) is kind
    assert list(batch.images) == list(kind.parts)
    assert all(batch.images[domain] is images[domain] for domain in kind.parts)
    assert batch.names == tuple(name for domain in kind.sources() for name in names[domain])


def test_labels_of_the_one_domain_that_has_some() -> None:
    x = {"a": torch.zeros(2, 1, 2, 2), "b": torch.ones(2, 1, 2, 2)}
    names = {"a": ["1", "2"], "b": ["3", "4"]}
    for kind in (Labelled, Unlabelled):
        labels = torch.tensor([1, -1])
        assert kind.collate(x, names, {"a": labels}).labels is labels
        assert kind.collate(x, names, {}).labels.tolist() == []
    assert Labelled.classes == {"a": "all"}
    assert Unlabelled.classes == {"a": "some"}
    assert Paired.classes == Unpaired.classes == {}


def test_all_tensors_move() -> None:
    batch = Labelled(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), ("a", "b"), torch.tensor([3]))
    moved = batch.to(torch.device("meta"))
    assert {moved.a.device.type, moved.b.device.type, moved.labels.device.type} == {"meta"}
    assert moved.names == batch.names


@pytest.mark.parametrize(
    "parts",
    [{"a": Part(order=1)}, {"a": Part(), "b": Part(order=2)}, {"a": Part(side=1)}, {"a": Part(), "b": Part(side=2)}],
)
def test_orders_and_sides_are_numbered_from_0(parts: dict[str, Part]) -> None:
    with pytest.raises(TypeError, match="Holey: orders of parts, and sides of an order, are numbered from 0"):
        type("Holey", (Batch,), {"parts": parts})


@pytest.mark.parametrize("count", [2, 3, 30])
def test_a_kind_of_so_many_domains(count: int) -> None:
    kind = ManyDomains.of(count)
    assert ManyDomains.of(count) is kind
    assert len(kind.parts) == len(kind.sources()) == count
    assert list(kind.parts)[:2] == list(ManyDomains.parts)
    assert not any(len(row) > 1 for row in kind.rows())
    assert issubclass(kind, ManyDomains)


def test_keys_of_more_domains_than_letters() -> None:
    keys = list(ManyDomains.of(26 + 26 * 26 + 1).parts)
    assert (keys[0], keys[25], keys[26], keys[27], keys[52], keys[-2], keys[-1]) == (
        *"az",
        "aa",
        "ab",
        "ba",
        "zz",
        "aaa",
    )
    assert len(set(keys)) == len(keys)
    with pytest.raises(ValueError, match="1 domains"):
        ManyDomains.of(1)


def test_samples_of_many_domains() -> None:
    """Each image has two references, which are different ones of the domain after its own."""
    kind = ManyDomains.of(3)
    images = {
        domain: torch.full((2, 1, 2, 2), float(i)) + torch.arange(2).view(2, 1, 1, 1) / 10
        for i, domain in enumerate(kind.parts)
    }
    batch = kind.collate(images, {domain: [f"{domain}0", f"{domain}1"] for domain in kind.parts}, {})
    assert type(batch) is kind
    assert list(batch.images) == ["a", "b", "c"]
    assert all(torch.equal(batch.images[domain], images[domain]) for domain in kind.parts)
    assert batch.y.tolist() == [0, 0, 1, 1, 2, 2]
    assert batch.y_ref.tolist() == [1, 1, 2, 2, 0, 0]
    assert batch.x_ref.long()[:, 0, 0, 0].tolist() == batch.x_ref2.long()[:, 0, 0, 0].tolist() == batch.y_ref.tolist()
    assert batch.names == (
        "a0",
        "a1",
        "b0",
        "b1",
        "c0",
        "c1",
        "b0",
        "b1",
        "c0",
        "c1",
        "a0",
        "a1",
        "b1",
        "b0",
        "c1",
        "c0",
        "a1",
        "a0",
    )
    first, second = batch.split(2)
    assert (first.names[:3], second.names[-3:]) == (("a0", "a1", "b0"), ("c0", "a1", "a0"))
    assert torch.equal(torch.cat([first.x_ref, second.x_ref]), batch.x_ref)
