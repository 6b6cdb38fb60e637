import numpy as np
import pytest

from instar.metrics.target import TargetDetector


def domain(place: float, count: int = 100, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng((seed, int(place))).normal(size=(count, 12))
    x[:, 0] += place
    return x


def detector() -> TargetDetector:
    return TargetDetector.fit(domain(0), domain(10), domain(0, 50, seed=1), domain(10, 50, seed=1))


def test_inputs_and_real_images() -> None:
    copy, real = (detector().read(domain(place, 50, seed=1)) for place in (0, 10))
    assert not copy.probe.any()
    assert real.probe.all()
    assert copy.ruin.mean() <= 0.06, "five in a hundred inputs are the farthest"
    assert not real.ruin.any()
    assert real.target.mean() >= 0.98
    assert np.median(real.realism) == pytest.approx(1)
    assert np.median(copy.realism) > 2


def test_the_probe_alone_takes_ruins_for_the_target() -> None:
    beyond = detector().read(domain(70))
    assert beyond.probe.all()
    assert not beyond.target.any()
    assert beyond.ruin.all()


def test_half_of_the_images() -> None:
    found = detector().read(np.concatenate([domain(0, 50, seed=2), domain(10, 50, seed=2)]))
    assert found.probe.mean() == 0.5
    assert found.target.mean() == pytest.approx(0.5, abs=0.06)


def test_inputs_that_resemble_the_target_are_no_ruins() -> None:
    near = TargetDetector.fit(domain(0), domain(0, seed=3), domain(0, 50, seed=1), domain(0, 50, seed=4))
    assert near.farthest_input >= near.farthest_real
    assert near.read(domain(0, 50, seed=5)).ruin.mean() < 0.15


def test_a_little_softness_is_forgiven_where_real_images_are_nearly_alike() -> None:
    rng = np.random.default_rng(0)
    alike = domain(10)[:1] + 0.1 * rng.normal(size=(150, 12))
    found = TargetDetector.fit(domain(0), alike[:100], domain(0, 50, seed=1), alike[100:])
    farthest = found.farthest_real
    inputs = found.read(domain(0, 50, seed=1)).realism
    assert farthest == pytest.approx((1 + np.median(inputs)) / 2)
    softer = alike[100:] - 0.3 * (alike[100:] - domain(0, 50, seed=6))
    assert found.read(softer).realism.min() > found.read(alike[100:]).realism.max(), "farther than any real one"
    assert found.read(softer).target.mean() > 0.9
    half_made = alike[100:] - 0.8 * (alike[100:] - domain(0, 50, seed=6))
    assert found.read(half_made).target.mean() < 0.1
