import numpy as np
import pytest

from instar.metrics.coverage import Coverage, coverage, coverage_intervals


def by_loops(x, y, k):
    def reach(points, i):
        return sorted(np.linalg.norm(points[i] - points[j]) for j in range(len(points)) if j != i)[k - 1]

    real, fake = [reach(y, j) for j in range(len(y))], [reach(x, i) for i in range(len(x))]
    inside = [[np.linalg.norm(a - b) <= r for b, r in zip(y, real, strict=True)] for a in x]
    reached = [any(np.linalg.norm(a - b) <= r for a, r in zip(x, fake, strict=True)) for b in y]
    return Coverage(
        precision=sum(any(row) for row in inside) / len(x),
        recall=sum(reached) / len(y),
        density=sum(sum(row) for row in inside) / (k * len(x)),
        coverage=sum(any(column) for column in zip(*inside, strict=True)) / len(y),
    )


@pytest.mark.parametrize(("n", "m", "d", "k"), [(6, 9, 2, 1), (20, 15, 3, 2), (12, 30, 8, 3)])
def test_against_loops(n, m, d, k):
    random = np.random.default_rng(n)
    x, y = random.normal(size=(n, d)) * 0.8 + 0.4, random.normal(size=(m, d))
    found = coverage(x, y, k)
    assert found == pytest.approx(by_loops(x, y, k))
    assert 0 < found.coverage < 1
    assert coverage(x + 1e4, y + 1e4, k) == pytest.approx(found)  # far from the origin, as features are


def test_by_hand():
    # With k = 1 the balls of 0, 1, 3 reach 1, 1 and 2; those of 0.5, 10 reach 9.5.
    y, x = np.array([[0.0], [1.0], [3.0]]), np.array([[0.5], [10.0]])
    assert coverage(x, y, 1) == Coverage(precision=0.5, recall=1.0, density=2 / 2, coverage=2 / 3)


def test_collapse_and_copies():
    y = np.random.default_rng(0).normal(size=(60, 4))
    assert coverage(y, y) == Coverage(1, 1, pytest.approx((5 * 60 + 60) / (5 * 60)), 1)
    one = np.repeat(y[:1], 20, axis=0)  # many times the same real image
    found = coverage(one, y)
    assert (found.precision, found.recall) == (1, 1 / 60)
    assert found.coverage <= 0.2 < 1 < found.density
    assert coverage(y + 100, y) == Coverage(0, 0, 0, 0)


def test_intervals_are_as_wide_as_new_samples_differ():
    random = np.random.default_rng(1)
    scores, widths = [], []
    for trial in range(40):
        x, y = random.normal(size=(100, 3)) * 0.9 + 0.7, random.normal(size=(100, 3))
        scores.append(coverage(x, y))
        bounds = coverage_intervals(x, y, draws=30, seed=trial)
        assert set(bounds) == set(Coverage._fields)
        for name, (low, high) in bounds.items():
            assert 0 <= low <= scores[-1]._asdict()[name] <= high <= (1 if name != "density" else 9)
        widths.append([scores[-1][i] - low for i, (low, _) in enumerate(bounds.values())])
    found, wanted = np.mean(widths, 0) / 1.96, np.std(scores, axis=0, ddof=1)
    assert (found > 0.6 * wanted).all()
    assert (found < 2 * wanted).all()


def test_bad_input():
    x = np.zeros((5, 2))
    with pytest.raises(ValueError, match="5-th neighbour need more than 5 images on each side, got 5 and 9"):
        coverage(x, np.zeros((9, 2)))
    with pytest.raises(ValueError, match="more than 0"):
        coverage(x, x, k=0)
    with pytest.raises(ValueError, match="got 5 and 4"):
        coverage_intervals(np.zeros((11, 2)), np.zeros((9, 2)))
