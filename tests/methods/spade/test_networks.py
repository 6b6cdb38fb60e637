import pytest
import torch
from torch import Tensor
from torch.nn import functional as nnf

from instar.methods.spade.networks import (
    MultiScaleDiscriminator,
    Norm,
    PatchDiscriminator,
    SpatialBlock,
    SpatialGenerator,
    SpatialNorm,
)
from methods.parts import count


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("labels", "generator", "discriminator"),
    [(184, 97_480_899, 2_952_257), (36, 93_048_003, 2_800_705)],
    ids=["coco", "cityscapes"],
)
def test_parameters_of_the_authors_networks(labels: int, generator: int, discriminator: int) -> None:
    with torch.device("meta"):
        assert count(SpatialGenerator(labels, 3)) == generator
        assert count(PatchDiscriminator(labels + 3)) == discriminator
        assert count(MultiScaleDiscriminator(labels + 3)) == 2 * discriminator


@pytest.mark.parametrize("norm", ["running", "instance"])
def test_a_map_without_scales_and_shifts_leaves_the_plain_norm(norm: Norm) -> None:
    layer = SpatialNorm(5, 3, 4, norm)
    for conv in (layer.gamma, layer.beta):
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    x = torch.randn(2, 5, 8, 8) * 3 + 1
    plain = nnf.batch_norm(x, None, None, training=True) if norm == "running" else nnf.instance_norm(x)
    torch.testing.assert_close(layer(x, torch.randn(2, 3, 8, 8)), plain)


def test_a_map_of_one_label_modulates_all_places_alike() -> None:
    layer = SpatialNorm(5, 3, 4, "instance")
    label_map = torch.zeros(1, 3, 9, 9)
    label_map[:, 1] = 1
    made = layer(torch.randn(1, 5, 9, 9), label_map)
    plain = nnf.instance_norm(torch.randn(1, 5, 9, 9))
    assert made.shape == plain.shape
    seen = nnf.relu(layer.shared(label_map))
    for conv in (layer.gamma, layer.beta):
        inside = conv(seen)[..., 2:-2, 2:-2]
        torch.testing.assert_close(inside, inside[..., :1, :1].expand_as(inside))


def modulated(layer: SpatialNorm, x: Tensor, m: Tensor) -> Tensor:
    seen = layer.shared(m).relu()
    return nnf.instance_norm(x) * (1 + layer.gamma(seen)) + layer.beta(seen)


def test_generator_by_hand() -> None:
    """Layer by layer, with the map shrunk to the nearest."""
    net = SpatialGenerator(4, 3, 2, 3, hidden=5, norm="instance").double().eval()
    m = torch.rand(1, 4, 24, 32, dtype=torch.float64)

    def shrunk(like: Tensor) -> Tensor:
        return nnf.interpolate(m, size=like.shape[2:], mode="nearest")

    def block(x: Tensor, of: SpatialBlock) -> Tensor:
        small = shrunk(x)
        inside = of.conv1(nnf.leaky_relu(modulated(of.norm1, x, small), 0.2))
        inside = of.conv2(nnf.leaky_relu(modulated(of.norm2, inside, small), 0.2))
        return (of.skip(modulated(of.norm_skip, x, small)) if of.projects else x) + inside

    def twice(x: Tensor) -> Tensor:
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    head, middle1, middle2, up1, up2 = (lambda x, of=of: block(x, of) for of in net.blocks)
    x = net.start(nnf.interpolate(m, size=(3, 4), mode="nearest"))
    x = middle2(middle1(twice(head(x))))
    x = up2(twice(up1(twice(x))))
    expected = torch.tanh(net.last(nnf.leaky_relu(x, 0.2)))
    torch.testing.assert_close(net(m, m), expected)


def test_discriminator_by_hand() -> None:
    net = PatchDiscriminator(5, 2, 3).eval()
    x = torch.randn(2, 5, 32, 40)
    one, two, three = (stage[0] for stage in net.stages[:3])
    a = nnf.leaky_relu(nnf.conv2d(x, one.weight, one.bias, 2, 2), 0.2)
    b = nnf.leaky_relu(nnf.instance_norm(nnf.conv2d(a, two.weight, None, 2, 2)), 0.2)
    c = nnf.leaky_relu(nnf.instance_norm(nnf.conv2d(b, three.weight, None, 1, 2)), 0.2)
    for found, expected in zip(net(x), (a, b, c, net.stages[3](c)), strict=True):
        torch.testing.assert_close(found, expected)
    assert (one.bias is not None, two.bias, three.bias) == (True, None, None)


def test_kernels_have_a_largest_singular_value_of_1() -> None:
    net = SpatialGenerator(4, 3, 4, 3, hidden=4)
    for _ in range(30):  # power iterations
        net(torch.rand(2, 4, 16, 16), torch.rand(2, 4, 16, 16))
    net.eval()
    for block in net.blocks:
        for conv in (block.conv1, block.conv2, *([block.skip] if block.projects else [])):
            largest = torch.linalg.matrix_norm(conv.weight.flatten(1), 2)
            assert largest.item() == pytest.approx(1, abs=0.02)


def test_the_second_scale_sees_half_the_resolution() -> None:
    net = MultiScaleDiscriminator(3, 2, 2, 2)
    x = torch.randn(1, 3, 32, 32)
    small = nnf.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    for found, expected in zip(net.eval()(x)[1], net.scales[1](small), strict=True):
        torch.testing.assert_close(found, expected)
