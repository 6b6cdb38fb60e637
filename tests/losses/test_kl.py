import pytest
import torch
from torch.distributions import Normal, kl_divergence

from instar.losses.kl import kl_to_standard


def test_closed_forms() -> None:
    nothing = torch.zeros(4, 8)
    assert kl_to_standard(nothing, nothing).item() == 0
    assert kl_to_standard(torch.ones(4, 8), nothing).item() == pytest.approx(4.0)  # 16 over the 4 images
    assert kl_to_standard(torch.ones(1, 8), nothing[:1]).item() == pytest.approx(4.0)


def test_is_the_divergence() -> None:
    torch.manual_seed(0)
    mu, logvar = torch.randn(2, 5, 3, dtype=torch.float64)
    expected = kl_divergence(Normal(mu, (0.5 * logvar).exp()), Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(kl_to_standard(mu, logvar), expected)


def test_gradients() -> None:
    mu, logvar = (torch.randn(3, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(kl_to_standard, (mu, logvar))


def test_bf16_is_summed_in_float32() -> None:
    mu, logvar = torch.randn(2, 64, 8).bfloat16()
    found = kl_to_standard(mu, logvar)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, kl_to_standard(mu.float(), logvar.float()))
