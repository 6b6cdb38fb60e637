import numpy as np
import pytest

from instar.metrics.classes import by_class, by_class_interval
from instar.metrics.frechet import frechet_distance
from instar.metrics.kid import kernel_distance


@pytest.fixture
def labelled():
    random = np.random.default_rng(0)
    of_x, of_y = random.permutation([0] * 20 + [1] * 10 + [7] * 15), random.permutation([7] * 12 + [0] * 9 + [1] * 30)
    return random.normal(size=(45, 3)) + of_x[:, None], of_x, random.normal(size=(51, 3)), of_y


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_every_class_counts_the_same(labelled, distance):
    x, of_x, y, of_y = labelled
    found = by_class(distance, x, of_x.tolist(), y, of_y)
    wanted = {label: distance(x[of_x == label], y[of_y == label]) for label in (0, 1, 7)}
    assert found.each == wanted
    assert found.mean == pytest.approx(sum(wanted.values()) / 3)
    assert found.counts == {0: (20, 9), 1: (10, 30), 7: (15, 12)}


def test_interval_draws_within_classes(labelled):
    x, of_x, y, of_y = labelled
    seen = []

    def distance(a, b):
        seen.append((len(a), len(b)))
        return float(a.mean() - b.mean())

    low, high = by_class_interval(distance, x, of_x, y, of_y, draws=30)
    assert set(seen[:3]) == {(20, 9), (10, 30), (15, 12)}
    assert set(seen[3:]) == {(10, 4), (5, 15), (7, 6)}
    assert low < by_class(distance, x, of_x, y, of_y).mean < high


def test_bad_labels(labelled):
    x, of_x, y, of_y = labelled
    with pytest.raises(ValueError, match="classes 1, 3 have images on one side only"):
        by_class(frechet_distance, x, np.where(of_x == 1, 3, of_x), y, of_y)
    with pytest.raises(ValueError, match=r"class of each image, got \(44,\) for 45 and \(51,\) for 51"):
        by_class(frechet_distance, x, of_x[1:], y, of_y)
