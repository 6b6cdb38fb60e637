import pytest
import torch
from torch import nn
from torch.nn import functional as nnf

from instar.modules.norms import BatchNorm, InstanceNorm, LayerNorm, adaptive_instance_norm, as_batch, norm


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


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_instance_norm_of_gpus_is_that_of_processors(x: torch.Tensor, layout: torch.memory_format) -> None:
    weight = torch.randn(x.shape, dtype=torch.float64)
    found = []
    for function in (as_batch, InstanceNorm()):
        given = x.double().contiguous(memory_format=layout).requires_grad_()
        out = function(given)
        (weight * out).sum().backward()
        found.append((out, given.grad))
    torch.testing.assert_close(found[0], found[1])


def test_instance_norm_of_one_number_is_0() -> None:
    torch.testing.assert_close(as_batch(torch.full((2, 3, 1, 1), 3.0)), torch.zeros(2, 3, 1, 1), atol=1e-3, rtol=0)


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
    kinds = [type(norm(kind, 4)) for kind in ("instance", "batch", "running", "none")]  # type: ignore[arg-type]
    assert kinds == [InstanceNorm, BatchNorm, nn.BatchNorm2d, nn.Identity]


def test_adaptive_instance_norm_sets_mean_and_deviation(x: torch.Tensor) -> None:
    """Mean is the shift; biased deviation is |scale| sqrt(var / (var + eps)): the scale as it is, not 1 + scale."""
    x = x.double()
    scale, shift = torch.randn(3, 5, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    out = adaptive_instance_norm(x, scale, shift)
    variance = x.var((2, 3), correction=0)
    torch.testing.assert_close(out.mean((2, 3)), shift)
    torch.testing.assert_close(out.std((2, 3), correction=0), scale.abs() * (variance / (variance + 1e-5)).sqrt())
    theirs = [nnf.instance_norm(x[i : i + 1], weight=scale[i], bias=shift[i]) for i in range(3)]
    torch.testing.assert_close(out, torch.cat(theirs))


def test_adaptive_instance_norm_reaches_its_numbers(x: torch.Tensor) -> None:
    x, scale, shift = (t.double().requires_grad_() for t in (x[:2, :2, :3, :2], torch.randn(2, 2), torch.randn(2, 2)))
    assert torch.autograd.gradcheck(adaptive_instance_norm, (x, scale, shift))


def layer_norm(channels: int = 5) -> LayerNorm:
    layer = LayerNorm(channels).double()
    with torch.no_grad():
        layer.bias.copy_(torch.randn(channels))
    return layer


def test_layer_norm_is_munits(x: torch.Tensor) -> None:
    """Over all features of an image; unbiased deviation, eps added to the deviation, not to the variance."""
    layer, x = layer_norm(), x.double() * 1e-4
    rows = x.flatten(1)
    normed = (rows - rows.mean(1, keepdim=True)) / (rows.std(1, keepdim=True) + 1e-5)
    expected = normed.view_as(x) * layer.weight[:, None, None] + layer.bias[:, None, None]
    torch.testing.assert_close(layer(x), expected)


def test_layer_norm_starts_with_scales_in_0_to_1() -> None:
    torch.manual_seed(0)
    layer = LayerNorm(4000)
    assert layer.weight.min() >= 0
    assert layer.weight.max() <= 1
    assert layer.weight.mean().item() == pytest.approx(0.5, abs=0.02)
    assert not layer.bias.any()


def test_layer_norm_gives_mean_0_and_unbiased_deviation_1(x: torch.Tensor) -> None:
    layer = LayerNorm(5).double()
    nn.init.ones_(layer.weight)
    rows = layer(x.double()).flatten(1)
    torch.testing.assert_close(rows.mean(1), torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(rows.std(1), torch.ones(3, dtype=torch.float64), atol=1e-4, rtol=0)


def test_layer_norm_of_a_flat_image() -> None:
    """All 0 and a finite gradient, where the deviation has none."""
    layer = LayerNorm(4)
    x = torch.full((1, 4, 8, 8), 0.75, requires_grad=True)
    out = layer(x)
    out.sum().backward()
    assert out.abs().max() < 1e-2
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())


def test_layer_norm_gradient(x: torch.Tensor) -> None:
    assert torch.autograd.gradcheck(layer_norm(2), x[:2, :2, :3, :2].double().requires_grad_())


def test_layer_norm_is_not_computed_in_bf16(x: torch.Tensor) -> None:
    assert LayerNorm(5)(x.bfloat16()).dtype == torch.float32
