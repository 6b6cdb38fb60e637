import pytest
import torch
from torch.nn import functional as nnf

from instar.modules.init import normal
from instar.modules.upconv import UpConv


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 3, 2, 2), (1, 3, 1, 4)])
def test_equals_repeat_pad_convolve(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    net = UpConv(3, 4).double()
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    large = nnf.interpolate(x, scale_factor=2, mode="nearest")
    expected = nnf.conv2d(nnf.pad(large, (1, 1, 1, 1), mode="reflect"), net.weight)
    found = net(x)
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(expected)
    for one, other in zip(
        torch.autograd.grad((found * weights).sum(), (x, net.weight)),
        torch.autograd.grad((expected * weights).sum(), (x, net.weight)),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_one_weight_like_a_convolutions() -> None:
    net = normal(UpConv(32, 64))
    assert {name: tuple(p.shape) for name, p in net.named_parameters()} == {"weight": (64, 32, 3, 3)}
    assert net.weight.std().item() == pytest.approx(0.02, rel=0.05)
