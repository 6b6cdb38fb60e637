import numpy as np
import pytest

from instar.metrics.kid import (
    kernel_distance,
    kernel_distance_interval,
    kernel_distance_of_equals,
    kernel_distance_subsets,
)


def by_loops(x, y):
    def k(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    n, m = len(x), len(y)
    within_x = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within_x + within_y - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


def test_by_hand():
    # k(1, 2) = 27; k(0, 3) = 1; k(1, 0) = 1, k(1, 3) = 64, k(2, 0) = 1, k(2, 3) = 343: mean 102.25
    x, y = np.array([[1.0], [2.0]]), np.array([[0.0], [3.0]])
    assert kernel_distance(x, y) == 27 + 1 - 2 * 102.25


@pytest.mark.parametrize(("n", "m", "d"), [(2, 2, 3), (7, 5, 4)])
def test_against_a_double_loop(n, m, d):
    random = np.random.default_rng(n)
    x, y = random.normal(size=(n, d)), random.normal(size=(m, d)) + 0.5
    assert kernel_distance(x, y) == pytest.approx(by_loops(x, y), rel=1e-10)


def test_unbiased_on_split_halves():
    random = np.random.default_rng(0)
    pool = random.normal(size=(60, 8))
    scores = []
    for _ in range(1000):
        order = random.permutation(len(pool))
        scores.append(kernel_distance(pool[order[:20]], pool[order[20:]]))
    assert min(scores) < 0
    # over all splits the mean is exactly 0, whatever the pool
    assert abs(np.mean(scores)) < 4 * np.std(scores) / np.sqrt(len(scores))


def test_interval_covers_the_true_distance():
    # D = 1, x ~ N(0, 1), y ~ N(1, 1). For s the product of two independent values E (1 + s)³ needs the first three
    # moments only, 0, 1, 0 and 1, 2, 4: E s = μμ', E s² = m2 m2', E s³ = m3 m3'.
    truth = (1 + 3 * 1) + (1 + 3 * 1 + 3 * 4 + 16) - 2 * (1 + 3 * 2)
    random = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        x, y = random.normal(size=(100, 1)), random.normal(size=(120, 1)) + 1
        low, high = kernel_distance_interval(x, y, draws=400, seed=trial)
        assert low < kernel_distance(x, y) < high
        hits += low <= truth <= high
    assert hits >= 175  # 190 in the limit of many samples; the cube of a normal value has heavy tails


def test_interval_is_repeatable():
    random = np.random.default_rng(3)
    x, y = random.normal(size=(9, 4)), random.normal(size=(12, 4)) + 1
    assert kernel_distance_interval(x, y, seed=5) == kernel_distance_interval(x, y, seed=5)
    assert kernel_distance_interval(x, y, seed=5) != kernel_distance_interval(x, y, seed=6)


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="at least two images"):
        kernel_distance(np.zeros((1, 2)), np.zeros((5, 2)))
    with pytest.raises(ValueError, match="at least four images on each side, got 3 and 5"):
        kernel_distance_interval(np.zeros((3, 2)), np.zeros((5, 2)))


def test_subsets():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(30, 5)), random.normal(size=(40, 5)) + 0.3
    mean, spread = kernel_distance_subsets(x, y[:30], subsets=3, size=30)
    assert mean == pytest.approx(kernel_distance(x, y[:30]))  # the whole sets, in another order
    assert spread == pytest.approx(0, abs=1e-9)
    mean, spread = kernel_distance_subsets(x, y, subsets=200, size=10)
    assert abs(mean - kernel_distance(x, y)) < 4 * spread / np.sqrt(200)
    with pytest.raises(ValueError, match="subsets of 31 do not fit 30 and 40"):
        kernel_distance_subsets(x, y, size=31)


def test_pictures_that_should_be_the_same():
    # k(1, 1) = 8, k(1, 2) = 27, k(2, 2) = 125: mean 46.75; k(0, .) = 1, k(3, 3) = 1000: 250.75; across 102.25
    x, y = np.array([[1.0], [2.0]]), np.array([[0.0], [3.0]])
    assert kernel_distance_of_equals(x, y) == 46.75 + 250.75 - 2 * 102.25
    random = np.random.default_rng(0)
    x = random.normal(size=(5, 64))
    assert kernel_distance_of_equals(x, x) < 1e-12
    small, large = (kernel_distance_of_equals(x, x + size * random.normal(size=x.shape)) for size in (0.01, 0.1))
    assert 0 < small < large
