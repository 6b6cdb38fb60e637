import numpy as np
import pytest

from instar.metrics.realism import realism_ratios


def test_the_nearest_by_what_is_usual() -> None:
    training = np.array([[0.0, 0], [10, 0]])
    real = np.array([[2.0, 0], [10, 2]])  # both 2 from the nearest
    x = np.array([[0.0, 6], [10, 0], [5, 0]])
    assert realism_ratios(x, training, real) == pytest.approx([3, 0, 2.5])


def test_without_other_real_images_each_is_compared_with_the_rest() -> None:
    training = np.array([[0.0], [1], [3], [6]])  # nearest of the others: 1, 1, 2, 3; the median is 1.5
    assert realism_ratios(np.array([[9.0], [0]]), training) == pytest.approx([2, 0])


def test_scale_and_place_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    x, training, real = rng.normal(size=(3, 20, 8))
    plain = realism_ratios(x, training, real)
    assert realism_ratios(5 * x - 100, 5 * training - 100, 5 * real - 100) == pytest.approx(plain)
    assert np.median(realism_ratios(real, training, real)) == pytest.approx(1)


def test_images_that_are_all_alike() -> None:
    with pytest.raises(ValueError, match="all alike"):
        realism_ratios(np.eye(3), np.ones((4, 3)))
