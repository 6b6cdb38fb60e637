"""Scores of clusters against closed forms and counts by hand."""

import itertools
import math

import pytest
import torch

from instar.core.errors import UserError
from instar.metrics import clusters
from instar.metrics.clusters import agreement, ari, contingency, match, matched_accuracy, nmi, purity

CLASSES = torch.arange(10).repeat_interleave(6)


def test_renamed_classes_are_perfect() -> None:
    torch.manual_seed(0)
    names = torch.randperm(10)
    assert agreement(names[CLASSES], CLASSES) == pytest.approx((1, 1, 1, 1))
    assert match(names[CLASSES], CLASSES) == {int(n): i for i, n in enumerate(names)}


def test_one_cluster_says_nothing() -> None:
    assert agreement(torch.zeros_like(CLASSES), CLASSES) == pytest.approx((0.1, 0.1, 0, 0), abs=1e-12)


def test_independent_clusters() -> None:
    """Each of 5 clusters holds the same of each of 2 classes: no information; less agreement in pairs than chance."""
    found, classes = torch.arange(5).repeat(4), torch.arange(2).repeat_interleave(10)
    assert agreement(found, classes)[:3] == pytest.approx((4 / 20, 0.5, 0), abs=1e-12)
    # pairs together: 10 x C(2, 2); rows 5 x C(4, 2) = 30; columns 2 x C(10, 2) = 90; all C(20, 2) = 190
    assert ari(found, classes) == pytest.approx((10 - 30 * 90 / 190) / (60 - 30 * 90 / 190))


def test_halves_of_classes() -> None:
    """Every class in two clusters: pure, but only one of the two is matched. I = ln 10, H(U) = ln 20, H(V) = ln 10."""
    halves = CLASSES * 2 + torch.arange(60) % 2
    assert matched_accuracy(halves, CLASSES) == 0.5
    assert purity(halves, CLASSES) == 1
    assert nmi(halves, CLASSES) == pytest.approx(2 * math.log(10) / (math.log(20) + math.log(10)))


def test_by_hand() -> None:
    found, classes = torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([0, 0, 1, 1, 2, 2])
    assert contingency(found, classes).tolist() == [[2, 1, 0], [0, 1, 2]]
    assert matched_accuracy(found, classes) == pytest.approx(4 / 6)
    assert ari(found, classes) == pytest.approx((2 - 6 * 3 / 15) / (4.5 - 6 * 3 / 15))


def test_the_best_of_all_assignments() -> None:
    """Taking each cluster's largest class in turn would give 5 + 0; the best is 4 + 4."""
    table = torch.tensor([[5, 4], [4, 0]])
    pairs = [(i, j) for i, j in itertools.product(range(2), repeat=2) for _ in range(int(table[i, j]))]
    found, classes = (torch.tensor(side) for side in zip(*pairs, strict=True))
    assert matched_accuracy(found, classes) == pytest.approx(8 / 13)
    torch.manual_seed(0)
    found, classes = torch.randint(4, (50,)), torch.randint(4, (50,))
    tries = [(torch.tensor(p)[found] == classes).double().mean().item() for p in itertools.permutations(range(4))]
    assert matched_accuracy(found, classes) == pytest.approx(max(tries))


def test_chance_is_0_on_average() -> None:
    torch.manual_seed(0)
    scores = [ari(torch.randint(5, (200,)), torch.randint(4, (200,))) for _ in range(100)]
    assert abs(sum(scores) / 100) < 3e-3


def test_one_of_both() -> None:
    assert agreement(torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.int64)) == (1, 1, 1, 1)
    assert ari(torch.tensor([0]), torch.tensor([0])) == 1


def test_refused() -> None:
    for found, classes in ((torch.tensor([0]), torch.tensor([0, 1])), (torch.tensor([]), torch.tensor([]))):
        with pytest.raises(ValueError, match="alike"):
            contingency(found, classes)
    with pytest.raises(ValueError, match="from 0"):
        contingency(torch.tensor([0, 1]), torch.tensor([0, -1]))


def test_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(clusters.importlib, "import_module", absent)
    with pytest.raises(UserError, match="needs scipy: pip install scipy"):
        matched_accuracy(CLASSES, CLASSES)
