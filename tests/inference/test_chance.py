import numpy as np
import pytest
import torch

from instar.core.seed import generator
from instar.inference.chance import Chance


@pytest.mark.parametrize("count", [1, 2, 3, 8, 15, 16, 17, 24, 32, 64, 100, 256])
def test_normal_numbers_are_those_of_pytorch(count: int) -> None:
    for seed in range(20):
        theirs = torch.randn(1, count, generator=generator(seed, count))[0].numpy()
        assert np.abs(Chance(seed, count).normal(count) - theirs).max() < 1e-5


@pytest.mark.parametrize("high", [1, 7, 64])
def test_whole_numbers_are_those_of_pytorch(high: int) -> None:
    for seed in range(20):
        assert Chance(seed, 0).below(high) == torch.randint(high, (1,), generator=generator(seed, 0)).item()


def test_uniform_numbers_fill_the_interval() -> None:
    drawn = Chance(3).uniform((100, 100))
    assert drawn.shape == (100, 100)
    assert 0 <= drawn.min() < 1e-3
    assert 0.999 < drawn.max() < 1
    assert abs(np.histogram(drawn, 10, (0, 1))[0] - 1000).max() < 150  # five standard deviations
    assert np.array_equal(drawn, Chance(3).uniform((100, 100)))
