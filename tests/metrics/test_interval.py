import numpy as np
import pytest

from instar.metrics.frechet import frechet_distance, frechet_distance_interval
from instar.metrics.interval import halves, mean_interval, score_interval, spread


def test_halves_are_halves_at_random_places():
    drawn = halves(7, 500, np.random.default_rng(0))
    assert drawn.shape == (500, 7)
    assert set(drawn.sum(1)) == {3.0}
    np.testing.assert_allclose(drawn.mean(0), 3 / 7, atol=0.1)


def test_mean_interval_covers_the_true_mean():
    random = np.random.default_rng(0)
    hits = 0
    for trial in range(300):
        low, high = mean_interval(random.exponential(size=80), draws=300, seed=trial)
        hits += low <= 1 <= high
    assert 270 <= hits <= 296  # 285 in the limit


def test_spread_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(1).normal(size=400)
    found = spread(lambda half: values[half].mean(), (400,), draws=2000)
    assert found == pytest.approx(values.std(ddof=1) / 20, rel=0.06)
    low, high = score_interval(lambda half: values[half].mean(), (400,), 7.0, draws=2000)
    assert (low + high) / 2 == pytest.approx(7)
    assert high - low == pytest.approx(2 * 1.96 * found)


def test_spread_of_the_frechet_distance_is_that_of_new_samples():
    random = np.random.default_rng(2)
    scores, widths = [], []
    for trial in range(60):
        x, y = random.normal(size=(80, 4)), random.normal(size=(100, 4)) * 1.5 + 1
        scores.append(frechet_distance(x, y))
        low, high = frechet_distance_interval(x, y, draws=40, seed=trial)
        assert (low + high) / 2 == pytest.approx(scores[-1])
        widths.append((high - low) / (2 * 1.96))
    assert np.mean(widths) == pytest.approx(np.std(scores, ddof=1), rel=0.3)


def test_repeatable_and_several_scores_at_once():
    values = np.arange(20.0)

    def both(half):
        return values[half].mean(), -values[half].mean()

    found = spread(both, (20,), seed=3)
    assert found[0] == pytest.approx(found[1])
    assert (spread(both, (20,), seed=3) == found).all()
    assert (spread(both, (20,), seed=4) != found).all()
    assert mean_interval(values, seed=3) == mean_interval(values, seed=3)


def test_too_few_and_infinite_scores_are_refused():
    with pytest.raises(ValueError, match="at least four images on each side, got 9 and 3"):
        score_interval(lambda x, y: 0.0, (9, 3), 0.0)
    with pytest.raises(ValueError, match="at least four"):
        mean_interval([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="PSNR of equal images"):
        mean_interval([1.0, 2.0, 3.0, np.inf])
