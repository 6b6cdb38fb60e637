"""The bridge between two images."""

import pytest
import torch

from instar.methods.i2sb.bridge import SLOWEST, Bridge


def bridge(intervals: int = 10, beta: float = 0.3, *, noise: bool = True) -> Bridge:
    return Bridge(intervals, beta, noise=noise)


def test_rates_rise_to_the_middle_and_fall_again() -> None:
    """With many intervals σ² is the integral of β: of a parabola from 0.1 to the square of the middle root."""
    made = bridge(1000, 1.0)
    low = SLOWEST**0.5
    middle = (low + 1) / 2
    half = (middle**3 - low**3) / (3 * (middle - low)) / 2
    assert made.total == pytest.approx(2 * half, rel=2e-3)
    torch.testing.assert_close(made.share, 1 - made.share.flip(0), atol=1e-6, rtol=0)
    steps = made.share.diff()
    assert steps.argmax() in (499, 500)
    assert (steps[1:500] > steps[:499]).all()


def test_ends_are_the_images_themselves() -> None:
    made = bridge()
    x0, x1 = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)
    drawn = made.between(x0, x1, torch.tensor([0, made.intervals]))
    assert torch.equal(drawn[0], x0[0])
    assert torch.equal(drawn[1], x1[1])
    assert made.deviation(torch.tensor([0])).item() == 0
    assert made.deviation(torch.tensor([10])).item() == pytest.approx(made.total**0.5)


def test_states_have_the_mean_and_deviation_of_two_gaussians_multiplied() -> None:
    made, n = bridge(10, 1.0), 3
    ahead = made.total * made.share[n].item()
    behind = made.total - ahead
    torch.manual_seed(0)
    drawn = made.between(torch.zeros(1, 1, 1000, 1000), torch.ones(1, 1, 1000, 1000), torch.tensor([n]))
    assert drawn.mean().item() == pytest.approx(ahead / (ahead + behind), abs=2e-3)
    assert drawn.var().item() == pytest.approx(ahead * behind / (ahead + behind), rel=1e-2)
    straight = bridge(10, 1.0, noise=False)
    assert straight.between(torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1), torch.tensor([n])).item() == (
        pytest.approx(made.share[n].item())
    )


@pytest.mark.parametrize(("n", "m"), [(10, 4), (7, 3), (3, 1)])
def test_back_from_the_end_is_the_bridge_itself(n: int, m: int) -> None:
    """X_m drawn by way of X_n is X_m drawn at once: both have the same mean and variance."""
    made = bridge(10, 1.0)
    size = 1000
    x0, x1 = torch.full((1, 1, size, size), -0.5), torch.full((1, 1, size, size), 0.5)
    torch.manual_seed(0)
    x = made.between(x0, x1, torch.tensor([n]))
    through = made.earlier(x, x0, n, m, torch.randn(1, 1, size, size))
    once = made.between(x0, x1, torch.tensor([m]))
    assert through.mean().item() == pytest.approx(once.mean().item(), abs=3e-3)
    assert through.var().item() == pytest.approx(once.var().item(), rel=1e-2)


def test_back_to_the_start_is_the_start() -> None:
    made = bridge()
    x0 = torch.rand(1, 3, 4, 4)
    assert torch.equal(made.earlier(torch.rand(1, 3, 4, 4), x0, 5, 0, None), x0)


@pytest.mark.parametrize(("evaluations", "stops"), [(1, [10, 0]), (3, [10, 7, 3, 0]), (10, list(range(10, -1, -1)))])
def test_stops(evaluations: int, stops: list[int]) -> None:
    assert bridge().stops(evaluations) == stops
