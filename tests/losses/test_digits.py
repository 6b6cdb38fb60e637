import math

import pytest
import torch

from instar.losses.digits import entropy, squares


def test_squares_are_summed_over_rows() -> None:
    x = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    assert squares(x, torch.zeros(2, 2)) == 2.5


def test_entropy_of_a_classifier_that_knows_nothing() -> None:
    found = entropy(torch.zeros(3, 10, dtype=torch.bfloat16), torch.tensor([1, 2, 3]))
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(math.log(10))
