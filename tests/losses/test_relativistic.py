import math

import pytest
import torch

from instar.losses.relativistic import more_real


def test_of_pairs() -> None:
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0])
    expected = (math.log1p(math.exp(-1.5)) + math.log1p(math.exp(4.0))) / 2
    assert more_real(real, fake).item() == pytest.approx(expected, rel=1e-6)


def test_only_differences_count() -> None:
    real, fake = torch.randn(5), torch.randn(5)
    torch.testing.assert_close(more_real(real + 7, fake + 7), more_real(real, fake), atol=1e-6, rtol=0)


def test_both_sides_of_the_game() -> None:
    """f(t) - f(-t) = -t for f(t) = log(1 + exp(-t)): what D wins on average G loses, up to the margin."""
    real, fake = torch.randn(5), torch.randn(5)
    torch.testing.assert_close(more_real(real, fake) - more_real(fake, real), (fake - real).mean())


def test_precision_and_size() -> None:
    assert more_real(torch.ones(2).bfloat16(), torch.zeros(2).bfloat16()).dtype == torch.float32
    assert more_real(torch.tensor([1e4]), torch.tensor([0.0])).item() == 0
    assert more_real(torch.tensor([0.0]), torch.tensor([1e4])).item() == 1e4
