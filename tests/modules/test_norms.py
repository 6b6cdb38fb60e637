import pytest
import torch
from torch import nn
from torch.nn import functional as nnf

from instar.modules.norms import BatchNorm, InstanceNorm, norm


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(3, 5, 6, 4, generator=torch.Generator().manual_seed(0)) * 3 + 1


def affine(channels: int) -> BatchNorm:
    layer = BatchNorm(channels)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(channels))
        layer.bias.copy_(torch.randn(channels))
    return layer


def test_instance_norm(x: torch.Tensor) -> None:
    found = InstanceNorm()(x)
    torch.testing.assert_close(found, nnf.instance_norm(x, eps=1e-5))
    torch.testing.assert_close(found.mean((2, 3)), torch.zeros(3, 5), atol=1e-5, rtol=0)
    assert list(InstanceNorm().state_dict()) == []


def test_instance_norm_of_a_flat_image_is_0() -> None:
    assert not InstanceNorm()(torch.full((1, 2, 4, 4), 3.0)).any()


def test_batch_norm_in_training_is_torchs(x: torch.Tensor) -> None:
    layer, theirs = affine(5), nn.BatchNorm2d(5)
    theirs.load_state_dict(layer.state_dict(), strict=False)
    torch.testing.assert_close(layer.train()(x), theirs.train()(x))


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_at_batch_1_is_instance_norm_with_an_affine(x: torch.Tensor, training: bool) -> None:
    layer = affine(5).train(training)
    expected = nnf.instance_norm(x[:1], weight=layer.weight, bias=layer.bias)
    torch.testing.assert_close(layer(x[:1]), expected, atol=1e-5, rtol=0)


def test_batch_norm_in_eval_looks_at_each_image_alone(x: torch.Tensor) -> None:
    layer = affine(5).eval()
    torch.testing.assert_close(layer(x), torch.cat([layer(image[None]) for image in x]))
    assert not torch.allclose(layer(x), layer.train()(x))


def test_no_running_averages(x: torch.Tensor) -> None:
    layer = affine(5)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.train()(x)
    assert before.keys() == layer.state_dict().keys() == {"weight", "bias"}
    assert all(torch.equal(value, layer.state_dict()[name]) for name, value in before.items())


def test_names() -> None:
    kinds = [type(norm(kind, 4)) for kind in ("instance", "batch", "none")]  # type: ignore[arg-type]
    assert kinds == [InstanceNorm, BatchNorm, nn.Identity]
