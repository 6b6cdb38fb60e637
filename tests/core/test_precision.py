from contextlib import nullcontext

import pytest
import torch

from instar.core.precision import full_precision, without_autocast


@pytest.mark.parametrize(
    ("given", "returned"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_float32_or_better(given: torch.dtype, returned: torch.dtype) -> None:
    x = torch.tensor([1.0, -0.5], dtype=given, requires_grad=True)
    found = full_precision(x)
    assert found.dtype == returned
    assert found.tolist() == [1.0, -0.5]
    (gradient,) = torch.autograd.grad(found.sum(), x)
    assert gradient.dtype == given


def test_autocast_is_off_within_and_where_it_is_off_nothing_is_done() -> None:
    x = torch.ones(2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        with without_autocast("cpu"):
            assert (x @ x).dtype == torch.float32
        assert (x @ x).dtype == torch.bfloat16
    assert isinstance(without_autocast("cpu"), nullcontext)
    assert isinstance(without_autocast("meta"), nullcontext), "a device that has no autocast"
