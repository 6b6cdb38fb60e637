import pytest
import torch
from methods.parts import count
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.modules.init import xavier
from instar.networks.unet import Inject, UNet

ENCODER = [3_072, 131_328, 524_800, 2_098_176, 4_195_328, 4_195_328, 4_195_328, 4_194_304]
DECODER = [4_195_328, 8_389_632, 8_389_632, 8_389_632, 4_194_816, 1_048_832, 262_272, 6_147]


def test_parameters_of_every_layer() -> None:
    with torch.device("meta"):
        net = UNet()
    assert [count(layer) for layer in net.down] == ENCODER
    assert [count(layer) for layer in net.up] == DECODER


@pytest.mark.parametrize(
    ("downs", "norm", "parameters"),
    [(8, "batch", 54_413_955), (8, "instance", 54_409_603), (7, "batch", 41_828_995)],
)
def test_parameters(downs: int, norm: str, parameters: int) -> None:
    with torch.device("meta"):
        assert count(UNet(downs=downs, norm=norm)) == parameters  # type: ignore[arg-type]


def shapes(net: UNet, x: Tensor) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    found: tuple[list[tuple[int, ...]], list[tuple[int, ...]]] = ([], [])
    for layers, to in zip((net.down, net.up), found, strict=True):
        for layer in layers:
            layer.register_forward_hook(lambda _m, _a, out, to=to: to.append((*out.shape[1:],)))
    assert net(x).shape == x.shape
    return found


def test_shapes_at_256_px() -> None:
    with torch.device("meta"):
        encoder, decoder = shapes(UNet(), torch.empty(1, 3, 256, 256))
    widths = [64, 128, 256, 512, 512, 512, 512, 512]
    assert encoder == [(w, 128 >> i, 128 >> i) for i, w in enumerate(widths)]
    assert encoder[-1] == (512, 1, 1)
    assert decoder == [(w, 2 << i, 2 << i) for i, w in enumerate([512, 512, 512, 512, 256, 128, 64, 3])]


def by_table(net: UNet, x: Tensor, downs: int) -> Tensor:
    """The network as the sheet of the paper lists it, without dropout: activation, convolution, batch norm."""
    weights = iter(list(net.parameters()))

    def normed(x: Tensor) -> Tensor:
        return nnf.batch_norm(x, None, None, next(weights), next(weights), training=True)

    skips = [nnf.conv2d(x, next(weights), stride=2, padding=1)]
    for i in range(1, downs):
        x = nnf.conv2d(nnf.leaky_relu(skips[-1], 0.2), next(weights), stride=2, padding=1)
        skips.append(normed(x) if i < downs - 1 else x)
    x = skips.pop()
    for _ in range(downs - 1):
        x = normed(nnf.conv_transpose2d(x.relu(), next(weights), stride=2, padding=1))
        x = torch.cat([skips.pop(), x], 1)
    return nnf.conv_transpose2d(x.relu(), next(weights), next(weights), stride=2, padding=1).tanh()


def test_equals_the_table() -> None:
    torch.manual_seed(0)
    net = UNet(3, 4, 4, dropout_at=()).double()
    x = torch.rand(2, 3, 16, 32, dtype=torch.float64) * 2 - 1
    torch.testing.assert_close(net(x), by_table(net, x, 4))


@pytest.mark.parametrize(("side", "fits"), [(128, False), (200, False), (264, False), (256, True), (512, True)])
def test_sides_must_be_multiples_of_256(side: int, fits: bool) -> None:
    with torch.device("meta"):
        net, x = UNet(width=4), torch.empty(1, 3, side, side)
        assert net.size_divisor == 256
        assert (side % net.size_divisor == 0) == fits
        if fits:
            assert net(x).shape == x.shape
        else:
            with pytest.raises((RuntimeError, ValueError)):
                net(x)


def test_skips_come_first_in_the_channels() -> None:
    net = UNet(3, 4, 4, dropout_at=())
    skipped: list[Tensor] = []
    joined: list[Tensor] = []
    for layer in net.down:
        layer.register_forward_hook(lambda _m, _a, out: skipped.append(out.clone()))
    for layer in net.up:
        layer.register_forward_pre_hook(lambda _, args: joined.append(args[0]))
    net(torch.rand(1, 3, 16, 16))
    for i, (x, skip) in enumerate(zip(joined, reversed(skipped), strict=True)):
        assert torch.equal(x[:, : skip.shape[1]], skip.relu())
        assert x.shape[1] == skip.shape[1] * (2 if i else 1)


def test_no_norm_on_the_ends() -> None:
    """Over the 1x1 map of the innermost layer a norm would leave nothing at batch 1."""
    net = UNet(3, 4, 4)
    without = [i for i, (_, norm) in enumerate(net.down) if isinstance(norm, nn.Identity)]
    assert without == [0, 3]
    assert isinstance(net.up[-1][1], nn.Identity)
    features: list[Tensor] = []
    net.down[-1].register_forward_hook(lambda _m, _a, out: features.append(out.clone()))
    torch.manual_seed(0)
    net(torch.rand(1, 3, 16, 16))
    net(torch.rand(1, 3, 16, 16))
    assert not torch.allclose(*features)


def test_without_skips_all_passes_through_the_bottleneck() -> None:
    net = UNet(3, 4, 4, skips=False, dropout_at=())
    nn.init.zeros_(net.down[-1][0].weight)
    images = torch.rand(2, 1, 3, 16, 16)
    torch.testing.assert_close(net(images[0]), net(images[1]))
    skipping = UNet(3, 4, 4, dropout_at=())
    nn.init.zeros_(skipping.down[-1][0].weight)
    assert not torch.allclose(skipping(images[0]), skipping(images[1]))


def test_noise_is_an_argument_not_a_mode() -> None:
    torch.manual_seed(0)
    net, x = UNet(3, 4, 4, dropout_at=(1, 2)), torch.rand(1, 3, 16, 16)
    for training in (True, False):
        net.train(training)
        assert torch.equal(net(x, noise=False), net(x, noise=False))
        assert not torch.equal(net(x), net(x))
    assert net(x).abs().max() <= 1


@pytest.mark.parametrize(
    ("downs", "style", "inject", "parameters"),
    [
        (8, 8, "input", 54_417_795),
        (8, 8, "all", 54_794_627),
        (8, 0, "all", 54_409_603),
        (7, 8, "input", 41_833_859),
        (7, 8, "all", 42_145_155),
    ],
)
def test_parameters_with_a_style(downs: int, style: int, inject: Inject, parameters: int) -> None:
    with torch.device("meta"):
        assert count(UNet(downs=downs, norm="instance", style=style, inject=inject)) == parameters


def styled_by_table(net: UNet, x: Tensor, z: Tensor, inject: Inject, downs: int) -> Tensor:
    """BicycleGAN's generators as its sheet lists them: with `input` the skips leave after the LeakyReLU.

    The ReLU that follows makes that the same as before it. What differs is the LeakyReLU of z beyond the first layer.
    """
    weights = iter(list(net.parameters()))
    tiled = z[:, :, None, None]
    skips: list[Tensor] = []
    for i in range(downs):
        if i == 0 or inject == "all":
            x = torch.cat([x, tiled.expand(-1, -1, *x.shape[2:])], 1)
        x = nnf.leaky_relu(x, 0.2) if i else x
        if i and inject == "input":
            skips.append(x)
        x = nnf.conv2d(x, next(weights), next(weights), 2, 1)
        x = nnf.instance_norm(x) if i not in (0, downs - 1) else x
        if i < downs - 1 and inject == "all":
            skips.append(x)
    for i in range(downs):
        x = nnf.conv_transpose2d(x.relu(), next(weights), next(weights), 2, 1)
        if i < downs - 1:
            x = torch.cat([skips.pop(), nnf.instance_norm(x)], 1)
    return x.tanh()


@pytest.mark.parametrize("inject", ["input", "all"])
def test_equals_the_table_with_a_style(inject: Inject) -> None:
    torch.manual_seed(0)
    net = UNet(3, 4, 4, norm="instance", dropout_at=(), style=5, inject=inject).double()
    x, z = torch.rand(2, 3, 16, 32, dtype=torch.float64) * 2 - 1, torch.randn(2, 5, dtype=torch.float64)
    torch.testing.assert_close(net(x, z), styled_by_table(net, x, z, inject, 4))


@pytest.mark.parametrize(("inject", "elsewhere"), [("input", False), ("all", True)])
def test_a_style_has_an_effect(inject: Inject, elsewhere: bool) -> None:
    """From the start; and with `all` without the first layer too."""
    torch.manual_seed(0)
    net = xavier(UNet(3, 8, 5, norm="instance", dropout_at=(), style=8, inject=inject))
    x, z = torch.rand(1, 3, 32, 32).expand(2, -1, -1, -1), torch.randn(2, 8)
    first, second = net(x, z)
    assert not torch.equal(first, second)
    nn.init.zeros_(net.down[0][0].weight[:, 3:])
    first, second = net(x, z)
    assert torch.equal(first, second) != elsewhere


def test_every_image_has_its_own_style() -> None:
    torch.manual_seed(0)
    net = UNet(3, 4, 4, norm="instance", dropout_at=(), style=3, inject="all")
    x, z = torch.rand(2, 3, 16, 16), torch.randn(2, 3)
    alone = torch.cat([net(x[i : i + 1], z[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(net(x, z), alone, atol=1e-5, rtol=0)
