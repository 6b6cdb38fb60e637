import math

import pytest
import torch

from instar.modules.equalised import EqualConv, activate


def test_is_a_scaled_convolution() -> None:
    conv, x = EqualConv(3, 5, 3, 2, gain=1.5), torch.randn(2, 3, 8, 8)
    conv.bias.data.normal_()
    expected = torch.nn.functional.conv2d(x, conv.weight * 1.5 / math.sqrt(27), conv.bias, stride=2, padding=1)
    torch.testing.assert_close(conv(x), expected)
    assert conv(x).shape == (2, 5, 4, 4)
    assert EqualConv(3, 5, 1)(x).shape == (2, 5, 8, 8)


@pytest.mark.parametrize("cin", [16, 256])
def test_scales_stay_and_rates_are_equal(cin: int) -> None:
    """However many inputs: outputs keep the scale of the inputs, weights have deviation 1."""
    torch.manual_seed(0)
    conv = EqualConv(cin, 64, gain=1)
    assert conv.weight.std().item() == pytest.approx(1, abs=0.05)
    inner = conv(torch.randn(4, cin, 16, 16))[:, :, 1:-1, 1:-1]
    assert inner.std().item() == pytest.approx(1, abs=0.1)
    assert EqualConv(cin, 64, start=0.1).weight.std().item() == pytest.approx(0.1, abs=0.01)


def test_activation() -> None:
    assert activate(torch.tensor([-1.0, 0.0, 2.0])).tolist() == pytest.approx([-0.2, 0, 2])
