"""The U-Net that knows the time."""

import pytest
import torch
from torch import Tensor, nn

from instar.methods.i2sb.network import Attention, Block, TimedUNet, group_norm
from methods.parts import count, scramble


def unet(**options: object) -> TimedUNet:
    given = {"blocks": 1, "attention": 1, "patch": 1, "condition": False, **options}
    return scramble(TimedUNet(3, 8, (1, 2), **given))  # type: ignore[arg-type]


def test_weights_of_guided_diffusion() -> None:
    """552,814,086 of the published network, which also puts out variances: 3 channels more of its last layer."""
    with torch.device("meta"):
        net = TimedUNet(3, 256, (1, 1, 2, 2, 4, 4), blocks=2, attention=3, patch=1, condition=False)
    assert count(net) + 3 * 256 * 9 + 3 == 552_814_086


@pytest.mark.parametrize(("channels", "groups"), [(4, 1), (8, 2), (48, 12), (128, 32), (512, 32), (132, 22)])
def test_groups_divide_the_channels(channels: int, groups: int) -> None:
    assert group_norm(channels).num_groups == groups


def test_a_block_starts_as_its_way_around() -> None:
    x, time = torch.randn(2, 8, 4, 4), torch.randn(2, 16)
    assert torch.equal(Block(8, 8, 16)(x, time), x)
    assert torch.equal(Block(8, 8, 16, nn.AvgPool2d(2))(x, time), nn.functional.avg_pool2d(x, 2))


def test_attention_is_that_of_each_head() -> None:
    layer = scramble(Attention(128)).double()
    x = torch.randn(2, 128, 3, 2, dtype=torch.float64)
    flat = layer.qkv(layer.norm(x)).flatten(2)
    heads = []
    for of_head in flat.split(192, 1):
        q, k, v = of_head.split(64, 1)
        weight = torch.softmax(q.transpose(1, 2) @ k / 8, 2)
        heads.append(v @ weight.transpose(1, 2))
    expected = x + layer.out(torch.cat(heads, 1).view_as(x))
    torch.testing.assert_close(layer(x), expected)


def outputs(net: TimedUNet, x: Tensor, n: int, end: Tensor) -> Tensor:
    with torch.no_grad():
        return net(x, torch.full((len(x),), n), end)


def test_it_starts_at_zero_and_knows_the_time() -> None:
    x, end = torch.randn(2, 2, 3, 16, 16, dtype=torch.float64)
    fresh = TimedUNet(3, 8, (1, 2), blocks=1, attention=1, patch=1, condition=False).double()
    assert not outputs(fresh, x, 5, end).any()
    net = unet()
    assert not torch.allclose(outputs(net, x, 5, end), outputs(net, x, 900, end))


@pytest.mark.parametrize("condition", [False, True])
def test_the_end_is_seen_where_it_is_a_condition(condition: bool) -> None:
    net, x = unet(condition=condition), torch.randn(1, 3, 16, 16, dtype=torch.float64)
    same = torch.equal(outputs(net, x, 5, torch.zeros_like(x)), outputs(net, x, 5, torch.ones_like(x)))
    assert same is not condition


@pytest.mark.parametrize(("options", "divisor"), [({}, 2), ({"patch": 2}, 4)])
def test_images_of_any_multiple(options: dict[str, object], divisor: int) -> None:
    net = unet(**options)
    x = torch.randn(1, 3, 3 * divisor, 5 * divisor, dtype=torch.float64)
    assert net.size_divisor == divisor
    assert outputs(net, x, 5, x).shape == x.shape
