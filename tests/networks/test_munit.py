from collections.abc import Iterator

import pytest
import torch
from methods.parts import count, spread
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.modules.init import kaiming
from instar.networks.munit import (
    AdaINDecoder,
    ContentEncoder,
    MultiScalePatchGAN,
    MunitGenerator,
    StyleEncoder,
    least_side,
)

Weights = Iterator[nn.Parameter]


def conv(x: Tensor, weights: Weights, pad: int, stride: int = 1) -> Tensor:
    x = nnf.pad(x, (pad,) * 4, mode="reflect") if pad else x
    return nnf.conv2d(x, next(weights), next(weights), stride)


def content_by_table(net: nn.Module, x: Tensor, blocks: int) -> Tensor:
    """The sheet's content encoder, line by line, with the weights of `net` in order."""
    weights = iter(list(net.parameters()))
    for pad, stride in ((3, 1), (1, 2), (1, 2)):
        x = nnf.instance_norm(conv(x, weights, pad, stride)).relu()
    for _ in range(blocks):
        inside = nnf.instance_norm(conv(x, weights, 1)).relu()
        x = x + nnf.instance_norm(conv(inside, weights, 1))
    return x


def style_by_table(net: nn.Module, x: Tensor) -> Tensor:
    weights = iter(list(net.parameters()))
    for pad, stride in ((3, 1), (1, 2), (1, 2), (1, 2), (1, 2)):
        x = conv(x, weights, pad, stride).relu()
    return nnf.linear(x.mean((2, 3)), next(weights), next(weights))


def ends_by_table(weights: Weights, x: Tensor) -> Tensor:
    """Two upsamplings with MUNIT's layer norm, and the last convolution."""
    for _ in range(2):
        x = conv(nnf.interpolate(x, scale_factor=2), weights, 2)
        rows = x.flatten(1)
        rows = (rows - rows.mean(1, keepdim=True)) / (rows.std(1, keepdim=True) + 1e-5)
        x = (rows.view_as(x) * next(weights)[:, None, None] + next(weights)[:, None, None]).relu()
    return conv(x, weights, 3).tanh()


def decoder_by_table(net: nn.Module, x: Tensor, numbers: Tensor, blocks: int) -> Tensor:
    """AdaIN as instance norm of one image at a time; in the vector, each norm's shifts come before its scales."""
    weights, c = iter(list(net.parameters())), x.shape[1]
    at = 0

    def adain(x: Tensor) -> Tensor:
        nonlocal at
        shift, scale = numbers[:, at : at + c], numbers[:, at + c : at + 2 * c]
        at += 2 * c
        return torch.cat(
            [nnf.instance_norm(f[None], weight=w, bias=b) for f, w, b in zip(x, scale, shift, strict=True)]
        )

    for _ in range(blocks):
        inside = adain(conv(x, weights, 1)).relu()
        x = x + adain(conv(inside, weights, 1))
    return ends_by_table(weights, x)


def shaken(net: nn.Module) -> nn.Module:
    """Double precision, and biases that are not 0."""
    with torch.no_grad():
        for p in net.double().parameters():
            p.add_(0.1 * torch.randn_like(p))
    return net


@pytest.fixture
def x() -> Tensor:
    torch.manual_seed(0)
    return torch.rand(2, 3, 24, 32, dtype=torch.float64) * 2 - 1


def test_content_encoder_equals_the_table(x: Tensor) -> None:
    net = shaken(ContentEncoder(3, 4, 2, 2))
    torch.testing.assert_close(net(x), content_by_table(net, x, 2))
    assert net(x).shape == (2, 16, 6, 8)


def test_style_encoder_equals_the_table(x: Tensor) -> None:
    net = shaken(StyleEncoder(3, 4, 5))
    torch.testing.assert_close(net(x), style_by_table(net, x))
    assert net(x).shape == (2, 5)


def test_decoder_equals_the_table(x: Tensor) -> None:
    net = shaken(AdaINDecoder(3, 4, 2, 2))
    content, numbers = torch.randn(2, 16, 6, 8).double(), torch.randn(2, net.adain_size).double()
    out = net(content, numbers)
    torch.testing.assert_close(out, decoder_by_table(net, content, numbers, 2))
    assert out.shape == x.shape


def test_decode_is_the_decoder_after_the_perceptron(x: Tensor) -> None:
    net = shaken(MunitGenerator(3, 4, 2, 1, style=5, mlp=6))
    weights, style = list(net.mlp.parameters()), torch.randn(2, 5).double()
    hidden = style
    for w, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        hidden = (hidden @ w.T + b).relu()
    numbers = hidden @ weights[-2].T + weights[-1]
    content = net.content(x)
    torch.testing.assert_close(net.decode(content, style), net.decoder(content, numbers))


def layers(net: nn.Module) -> list[int]:
    return [count(m) for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]


def test_parameters_of_every_layer() -> None:
    with torch.device("meta"):
        net, gray, D = MunitGenerator(), MunitGenerator(1), MultiScalePatchGAN()
    res = 1_180_160 // 2
    assert layers(net.content) == [9_472, 131_200, 524_544, *[res] * 8]
    assert layers(net.style) == [9_472, 131_200, 524_544, 1_048_832, 1_048_832, 2_056]
    assert layers(net.mlp) == [2_304, 65_792, 1_052_672]
    assert layers(net.decoder) == [*[res] * 8, 819_328, 204_864, 9_411]
    assert count(net.decoder) - sum(layers(net.decoder)) == 256 + 128  # the layer norms
    parts = (net.content, net.style, net.mlp, net.decoder)
    assert [count(part) for part in parts] == [5_385_856, 2_764_936, 1_120_768, 5_754_627]
    assert net.decoder.adain_size == 4096 == 8 * 256 * 2
    assert (count(net), count(gray)) == (15_026_187, 15_007_369)
    assert layers(D) == [3_136, 131_200, 524_544, 2_097_664, 513] * 3
    assert count(D) == 8_271_171


def test_shapes_at_256_px() -> None:
    with torch.device("meta"):
        net, D, x = MunitGenerator(), MultiScalePatchGAN(), torch.empty(2, 3, 256, 256)
        content = net.content(x)
        assert content.shape == (2, 256, 64, 64)
        assert net.style(x).shape == (2, 8)
        assert net.decode(content, torch.empty(2, 8)).shape == x.shape
        assert [tuple(p.shape) for p in D(x)] == [(2, 1, 16, 16), (2, 1, 8, 8), (2, 1, 4, 4)]


def test_parameters_of_other_sizes() -> None:
    with torch.device("meta"):
        assert AdaINDecoder(3, 4, 3, 5).adain_size == 4 * 5 * 32
        assert MunitGenerator(3, 4, 3).size_divisor == 8
        deep = MunitGenerator(3, 4, 3)
        assert deep.decode(deep.content(torch.empty(1, 3, 32, 40)), torch.empty(1, 8)).shape == (1, 3, 32, 40)


def test_style_decides_and_each_image_has_its_own(x: Tensor) -> None:
    net = shaken(MunitGenerator(3, 4, 2, 1))
    content, style = net.content(x), torch.randn(2, 8).double()
    out, swapped = net.decode(content, style), net.decode(content, style.flip(0))
    assert not torch.allclose(out, swapped)
    torch.testing.assert_close(out, torch.cat([net.decode(content[i : i + 1], style[i : i + 1]) for i in range(2)]))


def test_colours_are_style_and_hardly_content(x: Tensor) -> None:
    """The first instance norm of the content encoder undoes contrast and brightness; the style encoder has none."""
    net = kaiming(MunitGenerator(3, 8)).double()
    other = 0.5 * x + 0.3
    content = (net.content(x) - net.content(other)).abs().mean() / net.content(x).abs().mean()
    style = (net.style(x) - net.style(other)).abs().mean() / net.style(x).abs().mean()
    assert content < 1e-3 < 0.3 < style


def test_nothing_of_a_pass_stays_in_the_networks(x: Tensor) -> None:
    net = shaken(MunitGenerator(3, 4, 2, 1))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.decode(net.content(x), net.style(x))
    after = net.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def discriminator_by_table(net: nn.Module, x: Tensor, scales: int) -> list[Tensor]:
    weights, maps = iter(list(net.parameters())), []
    for _ in range(scales):
        y = x
        for _ in range(4):
            y = nnf.leaky_relu(conv(y, weights, 1, 2), 0.2)
        maps.append(conv(y, weights, 0))
        x = nn.AvgPool2d(3, 2, 1, count_include_pad=False)(x)
    return maps


def test_discriminator_equals_the_table() -> None:
    torch.manual_seed(0)
    net = shaken(MultiScalePatchGAN(3, 4, 2))
    x = torch.rand(2, 3, 36, 50, dtype=torch.float64) * 2 - 1
    torch.testing.assert_close(net(x), discriminator_by_table(net, x, 2))


def test_patches_of_the_discriminator() -> None:
    """46 px of the image at each scale: of the full one about 46 and 92 (and their blur)."""
    found = spread(MultiScalePatchGAN(1, 1, 2), torch.rand(1, 1, 256, 256) + 0.5)
    assert found[0] == 46
    assert 92 <= found[1] <= 94


@pytest.mark.parametrize(("scales", "round_side"), [(1, 16), (2, 32), (3, 64), (4, 128)])
def test_least_side(scales: int, round_side: int) -> None:
    net, least = MultiScalePatchGAN(1, 1, scales), least_side(scales)
    assert round_side // 2 < least <= round_side
    assert len(net(torch.zeros(1, 1, least, least))) == scales
    with pytest.raises(RuntimeError, match=r"[Pp]adding"):
        net(torch.zeros(1, 1, least - 1, least - 1))


def test_content_takes_no_longer_way_than_needed() -> None:
    """Padding keeps nothing and activations work in place: two tensors a convolution, its input and its output."""
    torch.manual_seed(0)
    net, kept = ContentEncoder(3, 4, 2, 1), {}

    def keep(t: Tensor) -> Tensor:
        if t.dim() == 4 and not isinstance(t, nn.Parameter):
            kept[t.untyped_storage().data_ptr()] = t
        return t

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        net(torch.rand(1, 3, 32, 32))
    convolutions = 5
    assert len(kept) == 2 * convolutions + 1  # and what the last activation before the block leaves
