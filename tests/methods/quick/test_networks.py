"""The networks of `quick`."""

import pytest
import torch

from instar.methods.quick.networks import BlendGenerator, WholeDiscriminator


@pytest.mark.parametrize(("side", "other"), [(32, 40), (64, 96), (128, 80)])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes(side: int, other: int, channels: int) -> None:
    net = BlendGenerator(channels, width=8, blocks=2, tail=4, side=side)
    assert net.size_divisor == side // 8
    for height, width in ((side, side), (other, side)):
        x = torch.rand(2, channels, height, width)
        assert net(x).shape == x.shape
    score = WholeDiscriminator(channels, width=4, side=side)(torch.rand(3, channels, side, side))
    assert score.shape == (3,)


def test_it_starts_near_a_copy() -> None:
    torch.manual_seed(0)
    net, x = BlendGenerator(), torch.rand(4, 3, 64, 64) * 2 - 1
    out = net(x)
    mask = torch.sigmoid(torch.tensor(-1.0))
    assert torch.corrcoef(torch.stack([out.flatten(), x.flatten()]))[0, 1] > 0.9
    assert (out - (1 - mask) * x).abs().mean() < 0.3


def test_a_closed_mask_gives_the_input_and_an_open_one_the_content() -> None:
    net, x = BlendGenerator(width=8, blocks=2, tail=4), torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        net.out.weight.zero_()
        net.colour.weight.zero_()
        net.out.bias.copy_(torch.tensor([0.5, -40.0]))
        torch.testing.assert_close(net(x), x)
        net.out.bias[1] = 40.0
        torch.testing.assert_close(net(x), torch.full_like(x, 0.5).tanh())


def test_the_least_mask() -> None:
    net, x = BlendGenerator(width=8, blocks=2, tail=4, floor=0.05), torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        net.out.weight.zero_()
        net.colour.weight.zero_()
        net.out.bias.copy_(torch.tensor([0.5, -40.0]))
        content = torch.full_like(x, 0.5).tanh()
        torch.testing.assert_close(net(x), 0.95 * x + 0.05 * content)
        net.out.bias[1] = 40.0
        torch.testing.assert_close(net(x), content)


def test_colours_are_those_of_jfif() -> None:
    """Of all colours the brightest red: Cr + 0.5 at the brightness of red."""
    net, x = BlendGenerator(width=8, blocks=2, tail=4), torch.zeros(1, 3, 64, 64)
    with torch.no_grad():
        net.out.weight.zero_()
        net.colour.weight.zero_()
        net.out.bias.copy_(torch.tensor([-0.402, 40.0]).atanh().nan_to_num(nan=40.0))
        net.colour.bias.copy_(torch.tensor([-0.3374, 40.0]))
        red, green, blue = net(x)[0, :, 0, 0].tolist()
    assert red == pytest.approx(-0.402 + 1.402 * 0.5, abs=1e-3)
    assert green == pytest.approx(-0.402 + 0.344136 * 0.1626 - 0.714136 * 0.5, abs=1e-3)
    assert blue == pytest.approx(-0.402 - 1.772 * 0.1626, abs=1e-3)


def test_colour_has_no_more_detail_than_the_grid() -> None:
    """Between the places of the grid colour changes in straight lines, brightness as it likes."""
    torch.manual_seed(0)
    net = BlendGenerator(width=8, blocks=2, tail=4)
    with torch.no_grad():
        net.out.weight[1].zero_()
        net.out.bias[1] = 40.0
        net.colour.weight.mul_(20)
        out = net(torch.rand(1, 3, 64, 64) * 2 - 1)
    red, blue = out[:, 0] - out[:, 1], out[:, 2] - out[:, 1]
    for colour in (red, blue):
        inner = colour[:, 1:-1]  # rows 1 and 2 lie a quarter beside the first two places, and so on
        first, second = inner[:, 0::2], inner[:, 1::2]
        before = 1.5 * first - 0.5 * second
        after = 1.5 * second - 0.5 * first
        torch.testing.assert_close(after[:, :-1], before[:, 1:], atol=1e-4, rtol=0)


def test_the_discriminator_sees_all_of_an_image() -> None:
    net, x = WholeDiscriminator(width=4).double(), torch.rand(1, 3, 64, 64, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(net(x).sum(), x)
    assert (slope.abs().sum(1) > 0).all()
