import pytest
import torch
from torch import Tensor
from torch.nn import functional as nnf

from instar.modules.init import normal
from instar.modules.upconv import UpConv, UpConv5


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


def plain5(layer: UpConv5, x: Tensor) -> Tensor:
    """The doubled image, mirrored, convolved."""
    doubled = nnf.interpolate(x, scale_factor=2, mode="nearest")
    return nnf.conv2d(nnf.pad(doubled, (2, 2, 2, 2), mode="reflect"), layer.weight, layer.bias)


@pytest.mark.parametrize("sides", [(2, 2), (2, 5), (7, 3), (6, 6)])
def test_5x5_equals_doubling_padding_and_convolving(sides: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layer = UpConv5(3, 4).double()
    x = torch.randn(2, 3, *sides, dtype=torch.float64, requires_grad=True)
    out, expected = layer(x), plain5(layer, x)
    torch.testing.assert_close(out, expected, atol=1e-12, rtol=0)
    g = torch.randn_like(out)
    of = (x, layer.weight, layer.bias)
    for found, wanted in zip(torch.autograd.grad(out, of, g), torch.autograd.grad(expected, of, g), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-11, rtol=0)


def test_5x5_parameters_and_state_are_those_of_a_5x5_convolution() -> None:
    with torch.device("meta"):
        layer = UpConv5(256, 128)
    assert {name: tuple(p.shape) for name, p in layer.state_dict().items()} == {
        "weight": (128, 256, 5, 5),
        "bias": (128,),
    }
    assert sum(p.numel() for p in layer.parameters()) == 819_328


def test_5x5_under_autocast() -> None:
    """The taps are added up in float32: no coarser than a plain convolution in bf16."""
    torch.manual_seed(0)
    layer, x = UpConv5(8, 4), torch.randn(1, 8, 6, 6)
    expected = plain5(layer, x)
    with torch.autocast("cpu", torch.bfloat16):
        out, coarse = layer(x), plain5(layer, x)
    assert out.dtype == torch.bfloat16
    assert (out - expected).abs().mean() < 1.5 * (coarse - expected).abs().mean()


def test_5x5_keeps_no_doubled_features() -> None:
    """What is kept for the way back is no larger than the small padded image, and the weights."""
    layer, x = UpConv5(16, 8), torch.randn(1, 16, 20, 20, requires_grad=True)
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        layer(x)
    features = [t for t in kept if t.shape[:1] == (1,)]
    assert features
    assert max(t.numel() for t in features) <= 16 * 22 * 22
