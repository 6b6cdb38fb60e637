import numpy as np
import pytest
from scipy.linalg import sqrtm

from instar.metrics.frechet import frechet_distance


def by_sqrtm(x, y):
    """The formula as written, with the matrix root of scipy."""
    sx, sy = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    difference = x.mean(0) - y.mean(0)
    return difference @ difference + np.trace(sx + sy - 2 * sqrtm(sx @ sy).real)


@pytest.mark.parametrize(("n", "m", "d"), [(50, 70, 6), (7, 7, 6), (6, 40, 6), (2, 9, 3)])
def test_against_scipy(n, m, d):
    random = np.random.default_rng(n + m)
    x = random.normal(size=(n, d)) @ random.normal(size=(d, d))
    y = random.normal(size=(m, d)) @ random.normal(size=(d, d)) + 1
    # scipy's root of a singular product is good to about the root of the machine precision
    assert frechet_distance(x, y) == pytest.approx(by_sqrtm(x, y), rel=1e-5)


def test_two_normal_distributions():
    random = np.random.default_rng(0)
    scale = np.array([1.0, 2.0, 0.5])
    x = random.normal(size=(200_000, 3))
    y = random.normal(size=(200_000, 3)) * scale + [1, 0, -2]
    # commuting covariances: |μ|² + Σ (σx - σy)²
    assert frechet_distance(x, y) == pytest.approx(5 + ((1 - scale) ** 2).sum(), rel=0.01)


def test_a_rotation_that_does_not_commute():
    # Sx = diag(4, 1) and Sy = that turned by 90°: tr (Sx Sy)^½ = 2 + 2
    x = np.array([[2, 1], [2, -1], [-2, 1], [-2, -1]]) * np.sqrt(3 / 4)
    assert frechet_distance(x, x[:, ::-1]) == pytest.approx(5 + 5 - 8)


@pytest.mark.parametrize("n", [5, 100])
def test_equal_sets_and_symmetry(n):
    random = np.random.default_rng(1)
    x, y = random.normal(size=(n, 20)), random.normal(size=(n + 3, 20)) + 0.3
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x + 2) == pytest.approx(80)
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x))
    assert frechet_distance(x.astype(np.float32), y) == pytest.approx(frechet_distance(x, y), rel=1e-5)


def test_bad_features_are_refused():
    with pytest.raises(ValueError, match=r"got \(3, 2\) and \(3, 4\)"):
        frechet_distance(np.zeros((3, 2)), np.zeros((3, 4)))
    with pytest.raises(ValueError, match="at least two images on each side, got 1 and 5"):
        frechet_distance(np.zeros((1, 2)), np.zeros((5, 2)))
    with pytest.raises(ValueError, match="not finite"):
        frechet_distance(np.full((3, 2), np.nan), np.zeros((3, 2)))
