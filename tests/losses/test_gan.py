import math

import pytest
import torch

from instar.losses.gan import Gan, lsgan, vanilla


@pytest.mark.parametrize(("p", "real", "fake"), [(0.0, 1.0, 0.0), (1.0, 0.0, 1.0), (0.5, 0.25, 0.25), (-1.0, 4.0, 1.0)])
def test_least_squares(p: float, real: float, fake: float) -> None:
    out = torch.full((2, 1, 3, 5), p)
    assert lsgan.real(out).item() == pytest.approx(real)
    assert lsgan.fake(out).item() == pytest.approx(fake)


@pytest.mark.parametrize("p", [0.0, 3.0, -3.0, 80.0])
def test_cross_entropy(p: float) -> None:
    out = torch.full((2, 1, 3, 5), p, dtype=torch.float64)
    assert vanilla.real(out).item() == pytest.approx(math.log1p(math.exp(-p)))
    assert vanilla.fake(out).item() == pytest.approx(math.log1p(math.exp(-p)) + p)


def test_cross_entropy_is_bce_on_logits() -> None:
    p = torch.randn(2, 1, 4, 4, dtype=torch.float64)
    for loss, label in ((vanilla.real, 1.0), (vanilla.fake, 0.0)):
        expected = torch.nn.functional.binary_cross_entropy(p.sigmoid(), torch.full_like(p, label))
        torch.testing.assert_close(loss(p), expected)
    assert vanilla.real(torch.zeros(1)).item() == pytest.approx(0.693147, abs=1e-6)


@pytest.mark.parametrize("gan", [lsgan, vanilla])
def test_gradients(gan: Gan) -> None:
    p = torch.randn(2, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(gan.real, p)
    assert torch.autograd.gradcheck(gan.fake, p)


@pytest.mark.parametrize("gan", [lsgan, vanilla])
def test_bf16_outputs_are_averaged_in_float32(gan: Gan) -> None:
    p = torch.randn(4, 1, 30, 30)
    for loss in gan:
        found = loss(p.bfloat16())
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, loss(p.bfloat16().float()))
