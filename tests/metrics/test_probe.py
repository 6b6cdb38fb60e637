import numpy as np
import pytest

from instar.metrics.probe import fit_probe


def clouds(count: int, distance: float, seed: int = 0, dimensions: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, count, dimensions))
    b[:, 0] += distance
    return a, b


def test_the_loss_is_at_its_least() -> None:
    """Its gradient, taken by differences of the loss written down again, is zero."""
    a, b = clouds(30, 2.0)
    probe = fit_probe(a, b[:11])
    scaled = [(x - probe.mean) / probe.scale for x in (a, b[:11])]

    def loss(weights: np.ndarray) -> float:
        odds = [x @ weights[:-1] + weights[-1] for x in scaled]
        mean = (np.logaddexp(0, odds[0]).mean() + np.logaddexp(0, -odds[1]).mean()) / 2
        return float(mean + 0.01 * np.square(weights[:-1]).sum() / 2)

    found = np.append(probe.weights, probe.bias)
    for direction in np.eye(len(found)):
        slope = (loss(found + 1e-5 * direction) - loss(found - 1e-5 * direction)) / 2e-5
        assert abs(slope) < 1e-6


def test_far_clouds_are_told_apart_and_equal_ones_are_not() -> None:
    probe = fit_probe(*clouds(100, 6.0))
    a, b = clouds(200, 6.0, seed=1)
    assert probe.share(a) < 0.02
    assert probe.share(b) > 0.98
    same = fit_probe(*clouds(100, 0.0))
    a, b = clouds(500, 0.0, seed=1)
    assert abs(same.share(a) - same.share(b)) < 0.15


def test_the_best_plane_of_two_normal_clouds() -> None:
    """At distance d the error of the best plane is Φ(-d / 2); 2.5630 makes it 10 %."""
    probe = fit_probe(*clouds(2000, 2.5631, dimensions=5))
    a, b = clouds(4000, 2.5631, seed=1, dimensions=5)
    assert probe.share(a) == pytest.approx(0.1, abs=0.02)
    assert probe.share(b) == pytest.approx(0.9, abs=0.02)


def test_each_domain_counts_alike() -> None:
    a, b = clouds(100, 1.0)
    many = fit_probe(np.concatenate([a] * 5), b)
    once = fit_probe(a, b)
    assert many.logits(a) == pytest.approx(once.logits(a), abs=1e-6)


def test_units_do_not_matter() -> None:
    a, b = clouds(50, 2.0)
    units = np.linspace(0.5, 40, a.shape[1])
    assert fit_probe(a * units + 3, b * units + 3).logits(a * units + 3) == pytest.approx(
        fit_probe(a, b).logits(a), abs=1e-6
    )


def test_swapped_domains_swap_the_sign() -> None:
    a, b = clouds(50, 2.0)
    assert fit_probe(b, a).logits(a) == pytest.approx(-fit_probe(a, b).logits(a), abs=1e-6)


def test_fewer_images_than_features_and_constant_features() -> None:
    a, b = clouds(10, 4.0, dimensions=200)
    a[:, 5] = b[:, 5] = 7.0
    logits = fit_probe(a, b).logits(np.concatenate([a, b]))
    assert (logits[:10] < 0).all()
    assert (logits[10:] > 0).all()


def test_features_that_do_not_fit() -> None:
    a, b = clouds(5, 1.0)
    with pytest.raises(ValueError, match="features must be"):
        fit_probe(a, b[:, :3])
    with pytest.raises(ValueError, match="at least two"):
        fit_probe(a[:1], b)
