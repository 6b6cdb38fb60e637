import math

import pytest
import torch
from torch import nn

from instar.modules.init import kaiming, normal, xavier
from instar.modules.norms import BatchNorm


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(64, 96, 3), BatchNorm(4096), nn.ConvTranspose2d(96, 64, 3), nn.Linear(128, 256))


def test_normal() -> None:
    torch.manual_seed(0)
    conv, batch, up, linear = normal(net())
    for layer in (conv, up, linear):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.03)
        assert layer.weight.mean().item() == pytest.approx(0, abs=5e-4)
        assert not layer.bias.any()
    assert batch.weight.mean().item() == pytest.approx(1, abs=2e-3)
    assert batch.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not batch.bias.any()


def test_xavier() -> None:
    """std = gain * sqrt(2 / (fan in + fan out)): 4e-4 for the 3x3 convolution of a residual block."""
    torch.manual_seed(0)
    conv, _, _, linear = xavier(net())
    assert conv.weight.std().item() == pytest.approx(0.02 * math.sqrt(2 / (9 * (64 + 96))), rel=0.03)
    assert linear.weight.std().item() == pytest.approx(0.02 * math.sqrt(2 / (128 + 256)), rel=0.03)
    assert not conv.bias.any()
    assert xavier(nn.Conv2d(256, 256, 3)).weight.std().item() == pytest.approx(4e-4, rel=0.05)


def test_layers_without_bias() -> None:
    assert normal(nn.Conv2d(2, 2, 1, bias=False)).bias is None


def test_kaiming() -> None:
    """std = sqrt(2 / fan in); norms are left alone."""
    torch.manual_seed(0)
    conv, batch, _, linear = kaiming(net())
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.03)
    assert linear.weight.std().item() == pytest.approx(math.sqrt(2 / 128), rel=0.03)
    assert not conv.bias.any()
    assert not linear.bias.any()
    assert torch.equal(batch.weight, torch.ones(4096))


def test_kaiming_for_leaky_activations() -> None:
    torch.manual_seed(0)
    conv, _, _, _ = kaiming(net(), 0.2)
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (1 + 0.2**2) / (9 * 64)), rel=0.01)
