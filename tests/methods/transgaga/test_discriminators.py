import pytest
import torch
from torch import nn

from instar.methods.transgaga.discriminators import Discriminators, code_discriminator
from methods.parts import count


def test_parameters() -> None:
    with torch.device("meta"):
        assert count(code_discriminator(16)) == 174_529
        assert count(code_discriminator(128)) == 181_697
        assert count(Discriminators(3, 16, 128)) == 2_764_737 + 174_529 + 181_697


def test_a_discriminator_is_small_at_first() -> None:
    torch.manual_seed(0)
    weights = torch.cat(
        [m.weight.flatten() for m in Discriminators(3, 16, 32).modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    )
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)


def test_outputs() -> None:
    outputs = Discriminators(3, 5, 7, 4)(torch.rand(2, 3, 32, 32), torch.randn(2, 5), torch.randn(2, 7))
    assert outputs.image.shape == (2, 1, 2, 2)
    assert outputs.geometry.shape == outputs.appearance.shape == (2, 1)
