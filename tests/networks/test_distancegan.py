import pytest
import torch
from methods.parts import count
from torch import Tensor, nn
from torch.nn import functional as nnf
from torch.nn.utils.parametrize import is_parametrized

from instar.networks.distancegan import (
    DigitsDiscriminator,
    DigitsGenerator,
    DiscoDiscriminator,
    DiscoGenerator,
    discriminator,
    generator,
    trace,
)
from instar.networks.patchgan import PatchGAN


def test_parameters() -> None:
    with torch.device("meta"):
        assert [count(DiscoGenerator(layers=n)) for n in (3, 4, 5)] == [1_318_016, 5_513_856, 7_153_480]
        assert count(DiscoDiscriminator()) == 2_765_568
        assert count(DigitsGenerator(1, to=3)) == count(DigitsGenerator(3, to=1)) == 562_176
        assert count(DigitsDiscriminator(1)) == 661_248
        assert count(DigitsDiscriminator(3)) == 663_296
        # Later CycleGAN code has no learned scales in its norms: 10,496 and 1,792 parameters less.
        assert count(generator("resnet")) == 11_388_675 - 10_496
        assert count(discriminator("resnet")) == 2_766_529 - 1_792


def test_builders() -> None:
    with torch.device("meta"):
        assert isinstance(generator("discogan", layers=3), DiscoGenerator)
        assert isinstance(generator("digits"), DigitsGenerator)
        assert isinstance(discriminator("discogan"), DiscoDiscriminator)
        assert isinstance(discriminator("digits"), DigitsDiscriminator)
        assert count(generator("discogan", layers=3)) == 1_318_016
        assert count(generator("resnet", blocks=6)) == 7_837_699
    skipping, spectral = generator("resnet", width=4, skip=True), discriminator("resnet", width=4, norm="spectral")
    x = torch.rand(1, 3, 32, 32) - 0.5
    assert (skipping(x) - x).abs().mean() < (generator("resnet", width=4)(x) - x).abs().mean()
    assert any(is_parametrized(layer) for layer in spectral.body)


@pytest.mark.parametrize(
    ("net", "side", "deepest"),
    [(DiscoGenerator(3, 4, 3), 64, (16, 8, 8)), (DiscoGenerator(3, 4, 4), 64, (32, 4, 4)),
     (DiscoGenerator(3, 4, 5), 64, (100, 1, 1)), (DigitsGenerator(3, 4), 32, (8, 8, 8))],
)  # fmt: skip
def test_shapes_of_a_generator(net: nn.Module, side: int, deepest: tuple[int, ...]) -> None:
    shapes = []
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda _m, _a, out: shapes.append((*out.shape[1:],)))
    x = torch.rand(2, 3, side, side) * 2 - 1
    out = net(x)
    assert shapes[-1] == deepest
    assert out.shape == x.shape
    assert -1 < out.min() < out.max() < 1
    wide = 2 * int(net.size_divisor)  # type: ignore[arg-type]
    assert net(torch.rand(2, 3, wide, 2 * wide)).shape == (2, 3, wide, 2 * wide)


@pytest.mark.parametrize(("net", "side"), [(DiscoDiscriminator(3, 4), 64), (DigitsDiscriminator(3, 4), 32)])
def test_one_verdict_on_a_whole_image(net: nn.Module, side: int) -> None:
    assert net(torch.rand(2, 3, side, side)).shape == (2, 1, 1, 1)
    assert net(torch.rand(2, 3, 2 * side, 2 * side)).shape[2:] == (5, 5)


def normed(x: Tensor, weights: list[Tensor], slope: float) -> Tensor:
    scale, shift = weights.pop(0), weights.pop(0)
    return nnf.leaky_relu(nnf.batch_norm(x, None, None, scale, shift, training=True), slope)


def test_discogan_equals_the_table() -> None:
    """In the authors' range, [0, 1]."""
    torch.manual_seed(0)
    net, x = DiscoGenerator(3, 4, 4).double(), torch.rand(2, 3, 64, 64, dtype=torch.float64)
    weights = list(net.parameters())
    out = nnf.leaky_relu(nnf.conv2d(x, weights.pop(0), stride=2, padding=1), 0.2)
    for _ in range(3):
        out = normed(nnf.conv2d(out, weights.pop(0), stride=2, padding=1), weights, 0.2)
    for _ in range(3):
        out = normed(nnf.conv_transpose2d(out, weights.pop(0), stride=2, padding=1), weights, 0.0)
    out = nnf.conv_transpose2d(out, weights.pop(0), stride=2, padding=1).sigmoid()
    assert not weights
    torch.testing.assert_close((net(2 * x - 1) + 1) / 2, out)


def test_digits_equal_the_table() -> None:
    torch.manual_seed(0)
    net, x = DigitsGenerator(1, 4, to=3).double(), torch.rand(2, 1, 32, 32, dtype=torch.float64) * 2 - 1
    weights = list(net.parameters())
    out = x
    for stride in (2, 2, 1, 1):
        out = normed(nnf.conv2d(out, weights.pop(0), stride=stride, padding=1), weights, 0.05)
    out = normed(nnf.conv_transpose2d(out, weights.pop(0), stride=2, padding=1), weights, 0.05)
    out = nnf.conv_transpose2d(out, weights.pop(0), stride=2, padding=1).tanh()
    assert not weights
    torch.testing.assert_close(net(x), out)


@pytest.mark.parametrize("kind", ["discogan", "digits"])
def test_discriminators_equal_the_table(kind: str) -> None:
    torch.manual_seed(0)
    side, slope, shift = (64, 0.2, 0.5) if kind == "discogan" else (32, 0.05, 0.0)
    net = discriminator(kind, 3, 4).double()  # type: ignore[arg-type]
    x = torch.rand(2, 3, side, side, dtype=torch.float64) * 2 - 1
    weights = list(net.parameters())
    out = nnf.leaky_relu(nnf.conv2d(x * (1 - shift) + shift, weights.pop(0), stride=2, padding=1), slope)
    seen = []
    while len(weights) > 1:
        out = normed(nnf.conv2d(out, weights.pop(0), stride=2, padding=1), weights, slope)
        seen.append(out)
    out = nnf.conv2d(out, weights.pop(0))
    torch.testing.assert_close(net(x), out)
    score, features = trace(net.body, x)
    torch.testing.assert_close(score, out)
    assert len(features) == (3 if kind == "discogan" else 2)
    for found, expected in zip(features, seen, strict=True):
        torch.testing.assert_close(found, expected)


def test_features_of_a_patch_discriminator() -> None:
    net, x = PatchGAN(3, 4), torch.rand(2, 3, 64, 64)
    score, features = trace(net.body, x)
    assert torch.equal(score, net(x))
    assert [f.shape[1] for f in features] == [8, 16, 32]
    assert all((f < 0).any() for f in features)  # leaky: after the activation, a fifth of what was below 0


@pytest.mark.parametrize("layers", [3, 4, 5])
def test_an_image_alone_is_translated_by_what_it_shows(layers: int) -> None:
    """Of a map of one place nothing would be left after a norm by its own statistics."""
    torch.manual_seed(0)
    net, images = DiscoGenerator(3, 4, layers), torch.rand(4, 3, 64, 64) * 2 - 1
    net(images)
    net.eval()
    one, two = net(images[:1]), net(images[1:2])
    assert (one - two).abs().mean() > 1e-3
    torch.testing.assert_close(net(images[:2]), torch.cat([one, two]), atol=1e-5, rtol=0)
