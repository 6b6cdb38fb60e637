import pytest
import torch
from torch import Tensor
from torch.nn import functional as nnf

from instar.methods.bicyclegan.networks import Kind, StyleEncoder, TwoScalePatchGAN
from instar.modules.norms import InstanceNorm
from methods.parts import count, spread, without_norms


@pytest.mark.parametrize(
    ("kind", "halvings", "parameters"), [("resnet", 5, 2_590_032), ("resnet", 4, 1_344_080), ("conv", 5, 2_760_656)]
)
def test_parameters_of_the_encoder(kind: Kind, halvings: int, parameters: int) -> None:
    with torch.device("meta"):
        assert count(StyleEncoder(halvings=halvings, kind=kind)) == parameters


@pytest.mark.parametrize(("channels", "layers", "parameters"), [(3, 3, 3_458_978), (6, 3, 3_463_586), (3, 2, 830_626)])
def test_parameters_of_the_discriminator(channels: int, layers: int, parameters: int) -> None:
    with torch.device("meta"):
        net = TwoScalePatchGAN(channels, layers=layers)
        assert count(net) == parameters
        if layers == 3 and channels == 3:
            assert (count(net.fine), count(net.coarse)) == (2_764_737, 694_241)


def encoder_by_table(net: StyleEncoder, x: Tensor, kind: Kind, halvings: int) -> tuple[Tensor, Tensor]:
    """The encoder as the sheet of the paper lists it, pooled by 8."""
    weights = iter(list(net.parameters()))

    def conv(x: Tensor, stride: int, padding: int) -> Tensor:
        return nnf.conv2d(x, next(weights), next(weights), stride, padding)

    def ready(x: Tensor, norm: bool = True) -> Tensor:
        return nnf.leaky_relu(nnf.instance_norm(x) if norm else x, 0.2)

    x = conv(x, 2, 1)
    x = x if kind == "resnet" else ready(x, norm=False)
    for _ in range(halvings - 1):
        if kind == "resnet":
            body = nnf.avg_pool2d(conv(ready(conv(ready(x), 1, 1)), 1, 1), 2)
            x = body + conv(nnf.avg_pool2d(x, 2), 1, 0)
        else:
            x = ready(conv(x, 2, 1))
    x = ready(x, norm=False) if kind == "resnet" else x
    x = nnf.avg_pool2d(x, 8).flatten(1)
    return nnf.linear(x, next(weights), next(weights)), nnf.linear(x, next(weights), next(weights))


@pytest.mark.parametrize("kind", ["resnet", "conv"])
def test_encoder_equals_the_table(kind: Kind) -> None:
    torch.manual_seed(0)
    net = StyleEncoder(3, 4, 3, 5, kind=kind).double()
    x = torch.rand(2, 3, 64, 64, dtype=torch.float64) * 2 - 1
    for found, expected in zip(net(x), encoder_by_table(net, x, kind, 3), strict=True):
        assert found.shape == (2, 5)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("kind", "widths"), [("resnet", [64, 128, 192, 256, 256]), ("conv", [64, 128, 256, 256, 256])])
def test_features_at_256_px(kind: Kind, widths: list[int]) -> None:
    with torch.device("meta"):
        net = StyleEncoder(kind=kind)
        assert net.body(torch.empty(1, 3, 256, 256)).shape == (1, 256, 8, 8)
    convs = [m for m in net.body.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size != (1, 1)]
    assert sorted({m.out_channels for m in convs}) == sorted(set(widths))


@pytest.mark.parametrize("kind", ["resnet", "conv"])
@pytest.mark.parametrize("sides", [(64, 64), (40, 57), (128, 32)])
def test_a_reference_may_have_any_size(kind: Kind, sides: tuple[int, int]) -> None:
    mu, logvar = StyleEncoder(3, 4, 3, 8, kind=kind)(torch.rand(2, 3, *sides))
    assert mu.shape == logvar.shape == (2, 8)
    assert not torch.equal(*mu)


def test_maps_at_256_px() -> None:
    with torch.device("meta"):
        maps = TwoScalePatchGAN(3, 8)(torch.empty(2, 3, 256, 256))
    assert [m.shape for m in maps] == [(2, 1, 30, 30), (2, 1, 14, 14)]


def test_receptive_fields() -> None:
    """70 px, and 70 px of the image at half its size: 2 * 69 + 3 rows by the 3 x 3 mean."""
    net = without_norms(TwoScalePatchGAN(1, 2), InstanceNorm)
    assert spread(net, torch.rand(1, 1, 320, 320) + 0.5) == [70, 141]


def test_the_coarse_scale_sees_means_without_the_padding() -> None:
    torch.manual_seed(0)
    net = TwoScalePatchGAN(1, 4, 1)
    seen: list[Tensor] = []
    net.coarse.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    x = torch.rand(1, 1, 32, 32)
    net(x)
    assert seen[0].shape == (1, 1, 16, 16)
    torch.testing.assert_close(seen[0][0, 0, 0, 0], x[0, 0, :2, :2].mean())
    torch.testing.assert_close(seen[0][0, 0, 1, 1], x[0, 0, 1:4, 1:4].mean())


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_smallest_image(layers: int) -> None:
    net = TwoScalePatchGAN(1, 2, layers)
    side = 6 * 2**layers
    assert net(torch.rand(1, 1, side, side))[1].shape == (1, 1, 1, 1)
    with pytest.raises((RuntimeError, ValueError)):
        net(torch.rand(1, 1, side - 2**layers, side - 2**layers))
