import pytest
import torch

from instar.core.precision import full_precision


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
