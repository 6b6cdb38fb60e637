import copy

import pytest
import torch
from torch import Tensor, nn

from instar.modules.spectral import SpectralConv2d, spectral, weights_of


@pytest.fixture
def conv() -> nn.Conv2d:
    torch.manual_seed(0)
    return spectral(SpectralConv2d(3, 8, 4, 2, 1, padding_mode="reflect"))


def largest(weight: Tensor) -> float:
    return float(torch.linalg.matrix_norm(weight.detach().flatten(1), 2))


def moves(layer: nn.Module) -> list[Tensor]:
    return [buffer.clone() for buffer in layer.buffers()]


def test_largest_singular_value_goes_to_1(conv: nn.Conv2d) -> None:
    with torch.no_grad():
        conv.parametrizations.weight.original.add_(torch.randn(8, 3, 4, 4))  # as if Adam had moved it far
    before = abs(largest(conv.eval().weight) - 1)
    for _ in range(50):
        conv.train()(torch.rand(1, 3, 8, 8))
    after = abs(largest(conv.eval().weight) - 1)
    assert before > 0.05
    assert after < 1e-3


def test_one_power_iteration_a_pass_in_training_and_none_in_eval(conv: nn.Conv2d) -> None:
    other, x = copy.deepcopy(conv), torch.rand(1, 3, 8, 8)
    start = moves(conv)
    conv.eval()(x)
    assert all(torch.equal(a, b) for a, b in zip(start, moves(conv), strict=True))
    conv.train()(x)
    assert not torch.equal(start[0], moves(conv)[0])
    _ = other.train().weight
    assert all(torch.equal(a, b) for a, b in zip(moves(other), moves(conv), strict=True))


def test_a_pass_is_a_convolution_with_the_weight(conv: nn.Conv2d) -> None:
    x = torch.rand(2, 3, 8, 8)
    padded = nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
    torch.testing.assert_close(conv.eval()(x), nn.functional.conv2d(padded, conv.weight, conv.bias, 2))


def test_weights_start_at_002() -> None:
    torch.manual_seed(0)
    for layer in (spectral(SpectralConv2d(16, 64, 4)), spectral(nn.Linear(1000, 16))):
        assert layer.parametrizations.weight.original.std().item() == pytest.approx(0.02, rel=0.05)
        assert not layer.bias.any()


def test_full_precision_under_autocast(conv: nn.Conv2d) -> None:
    plain = copy.deepcopy(conv)
    with torch.autocast("cpu", torch.bfloat16):
        assert conv(torch.rand(1, 3, 8, 8)).dtype == torch.bfloat16
        (weight,) = weights_of([conv])
    plain(torch.rand(1, 3, 8, 8))
    assert torch.equal(weight, weights_of([plain])[0])


def several() -> list[nn.Conv2d | nn.Linear]:
    torch.manual_seed(0)
    layers = [SpectralConv2d(3, 8, 4), nn.Linear(30, 1, bias=False), SpectralConv2d(8, 16, 4, 2, 1)]
    made = [spectral(layer.double(), std=1.0) for layer in layers]
    return [layer.train() for layer in made]


def every(layers: list[nn.Conv2d | nn.Linear]) -> list[Tensor]:
    return [vector for layer in layers for vector in moves(layer)]


def same(some: list[Tensor], others: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


def test_all_at_once_is_each_alone_by_pytorch() -> None:
    ours, theirs = several(), several()
    of_ours, of_theirs = ([layer.parametrizations.weight.original for layer in layers] for layers in (ours, theirs))
    for _ in range(3):
        weights, expected = weights_of(ours), [layer.weight for layer in theirs]
        torch.testing.assert_close(weights, expected)
        assert same(every(ours), every(theirs))
        slopes = [torch.randn_like(weight) for weight in weights]
        found = torch.autograd.grad(weights, of_ours, slopes)
        torch.testing.assert_close(found, torch.autograd.grad(expected, of_theirs, slopes))


def test_two_passes_before_their_gradients() -> None:
    """The vectors move on; what the first pass needs of them is kept."""
    ours, theirs = several(), several()
    both = [[*weights_of(ours), *weights_of(ours)], [layer.weight for _ in range(2) for layer in theirs]]
    found = [
        torch.autograd.grad(
            sum((weight**2).sum() for weight in weights), [layer.parametrizations.weight.original for layer in layers]
        )
        for weights, layers in zip(both, (ours, theirs), strict=True)
    ]
    torch.testing.assert_close(found[0], found[1])


def test_in_eval_nothing_moves() -> None:
    layers = [layer.eval() for layer in several()]
    before = every(layers)
    torch.testing.assert_close(weights_of(layers), [layer.weight for layer in layers])
    assert same(before, every(layers))
