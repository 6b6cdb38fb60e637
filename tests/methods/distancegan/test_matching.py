import pytest
import torch

from instar.methods.distancegan.matching import feature_matching


def test_closed_form() -> None:
    real = [torch.tensor([[1.0, 2.0], [3.0, 4.0]])[:, :, None, None], torch.zeros(2, 1, 2, 2)]
    fake = [torch.tensor([[0.0, 0.0], [2.0, 0.0]])[:, :, None, None], torch.full((2, 1, 2, 2), 0.5)]
    # Means over the batch: (2, 3) against (1, 0), and 0 against 0.5.
    assert feature_matching(real, fake).item() == pytest.approx((1 + 9) / 2 + 0.25)


def test_only_the_means_over_the_batch_count() -> None:
    features = [torch.randn(4, 3, 2, 2, dtype=torch.float64), torch.randn(4, 5, 1, 1, dtype=torch.float64)]
    assert feature_matching(features, features).item() == 0
    assert feature_matching(features, [f.flip(0) for f in features]).item() == pytest.approx(0, abs=1e-30)
    assert feature_matching(features, [f.flip(1) for f in features]).item() > 0.01
    assert feature_matching([f[:2] for f in features], features).item() > 0.01


def test_gradient_goes_to_the_fakes() -> None:
    real, fake = (torch.randn(2, 3, 2, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    feature_matching([real], [fake]).backward()
    assert real.grad is None
    assert torch.autograd.gradcheck(lambda f: feature_matching([real], [f]), fake)


def test_bf16_is_averaged_in_float32() -> None:
    real, fake = torch.randn(8, 3, 4, 4).bfloat16(), torch.randn(8, 3, 4, 4).bfloat16()
    found = feature_matching([real], [fake])
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, feature_matching([real.float()], [fake.float()]))
