from fractions import Fraction

import pytest

from instar.core.progress import Progress
from instar.core.schedule import halving, linear, stage


@pytest.mark.parametrize(("epoch", "rate"), [(1, 2e-4), (100, 2e-4), (101, 1.9802e-4), (200, 1.9802e-6)])
def test_the_authors_table(epoch: int, rate: float) -> None:
    assert 2e-4 * linear(Progress(epoch - 1, 200), 0.5) == pytest.approx(rate, rel=1e-4)


@pytest.mark.parametrize(("steps", "constant"), [(200, 100), (7, 3), (20, 15), (9, 0)])
def test_the_authors_rule_in_exact_numbers(steps: int, constant: int) -> None:
    for epoch in range(1, steps + 1):
        rule = 1 - Fraction(max(0, epoch - constant), steps - constant + 1)
        assert linear(Progress(epoch - 1, steps), constant / steps) == pytest.approx(float(rule), abs=1e-12)


def test_constant() -> None:
    assert {linear(Progress(step, 50), 1.0) for step in range(50)} == {1.0}


def test_falls_and_never_reaches_0() -> None:
    factors = [linear(Progress(step, 1000), 0.25) for step in range(1000)]
    assert factors == sorted(factors, reverse=True)
    assert 0 < factors[-1] < 0.002
    assert len(set(factors)) == 751


@pytest.mark.parametrize(
    ("step", "factor"), [(0, 1.0), (99_999, 1.0), (100_000, 0.5), (250_000, 0.25), (999_999, 2**-9)]
)
def test_halving(step: int, factor: float) -> None:
    """MUNIT: 1 million steps, halved every 100,000."""
    assert halving(Progress(step, 1_000_000), 0.1) == factor
    assert halving(Progress(step, 1_000_000), 0.0) == 1.0


def test_stages_take_their_shares() -> None:
    found = [stage(Progress(step, 10, 3), (0.4, 0.2)) for step in range(10)]
    assert [number for number, _ in found] == [0] * 4 + [1] * 2 + [2] * 4
    assert [now.step for _, now in found] == [0, 1, 2, 3, 0, 1, 0, 1, 2, 3]
    assert [now.steps for _, now in found] == [4] * 4 + [2] * 2 + [4] * 4
    assert {now.epoch_length for _, now in found} == {3}


def test_a_stage_without_a_share_is_left_out() -> None:
    assert {stage(Progress(step, 10), (0.5, 0.0))[0] for step in range(10)} == {0, 2}
    assert {stage(Progress(step, 10), (0.5, 0.5))[0] for step in range(10)} == {0, 1}
    assert stage(Progress(10, 10), (0.5, 0.5)) == (2, Progress(0, 0))


def test_without_shares_there_is_one_stage() -> None:
    assert stage(Progress(3, 10), ()) == (0, Progress(3, 10))
