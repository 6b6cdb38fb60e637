import pytest
import torch
from torch.nn import functional as nnf

from instar.modules.dropout import Masks, dropout


def test_a_generator_draws_what_the_global_one_would() -> None:
    x = torch.rand(3, 4, 5) + 1
    torch.manual_seed(3)
    expected = nnf.dropout(x, 0.5)
    state = torch.get_rng_state()
    found = dropout(x, 0.5, torch.Generator().manual_seed(3))
    assert torch.equal(found, expected)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5])
def test_what_is_kept_keeps_the_mean(p: float) -> None:
    for generator in (None, torch.Generator().manual_seed(1)):
        found = dropout(torch.ones(100_000), p, generator)
        assert found[found != 0].unique().tolist() == pytest.approx([1 / (1 - p)])
        assert float(found.mean()) == pytest.approx(1, abs=0.02)


def test_masks_that_are_handed_in_take_the_place_of_chance() -> None:
    x = torch.arange(6.0).reshape(2, 3)
    first, second = torch.tensor([[2.0, 0, 2], [0, 0, 2]]), torch.zeros(2, 3)
    masks = Masks(iter([first, second]))
    assert torch.equal(dropout(x, 0.5, masks), x * first)
    assert torch.equal(dropout(x, 0.5, masks), x * second)


def test_the_same_are_dropped_whatever_the_order_in_memory() -> None:
    x = torch.ones(2, 3, 4, 5)
    one, other = (
        dropout(each, 0.5, torch.Generator().manual_seed(0))
        for each in (x, x.contiguous(memory_format=torch.channels_last))
    )
    assert torch.equal(one, other)
