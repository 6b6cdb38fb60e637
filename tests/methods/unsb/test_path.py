import pytest
import torch

from instar.core.seed import generator
from instar.methods.unsb.path import Chance, between, places


def test_places_are_those_of_the_authors() -> None:
    """Sums of 0, 1, 1/2, 1/3, 1/4, between a half and 1."""
    expected = [0, 0.5, 0.5 + 0.5 * 1 / (25 / 12), 0.5 + 0.5 * 1.5 / (25 / 12), 0.5 + 0.5 * (11 / 6) / (25 / 12), 1]
    assert places(5) == pytest.approx(expected)
    assert places(2) == [0, 0.5, 1]
    assert all(one < other for one, other in zip(places(9), places(9)[1:], strict=False))


def test_a_state_between_two_images() -> None:
    """The Brownian bridge from 0.5 to 1, at 0.75: half way, with a variance of tau (0.25)(0.25) / 0.5."""
    x, end = torch.full((1, 1, 300, 300), -1.0), torch.ones(1, 1, 300, 300)
    torch.manual_seed(0)
    state = between(x, end, 0.5, 0.75, 0.01, torch.randn(1, 1, 300, 300))
    assert state.mean().item() == pytest.approx(0, abs=1e-3)
    assert state.var().item() == pytest.approx(0.01 * 0.25 * 0.25 / 0.5, rel=0.02)
    torch.testing.assert_close(between(x, end, 0.5, 0.75, 0.01, torch.zeros(1)), torch.zeros_like(x))


def test_two_strides_are_one() -> None:
    """Means and variances of a bridge do not depend on where one stops on the way, if its end stays."""
    shape = (1, 1, 400, 400)
    x, end = torch.full(shape, -1.0), torch.ones(shape)
    torch.manual_seed(0)
    one, first, second = torch.randn(3, *shape)
    direct = between(x, end, 0.0, 0.8, 0.5, one)
    stopped = between(between(x, end, 0.0, 0.5, 0.5, first), end, 0.5, 0.8, 0.5, second)
    assert stopped.mean().item() == pytest.approx(direct.mean().item(), abs=5e-3)
    assert stopped.var().item() == pytest.approx(direct.var().item(), rel=0.02)


def test_chance() -> None:
    like = torch.zeros(4, 3, 8, 8, dtype=torch.float64)
    drawn = [Chance(generator=generator(seed)).z(6, like) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert (drawn[0].shape, drawn[0].dtype) == ((1, 6), torch.float64)
    assert Chance(4).along(like).shape == like.shape
    still = Chance(still=True)
    assert still.z(6, like).tolist() == [[1] * 6]
    assert not still.along(like).any()
