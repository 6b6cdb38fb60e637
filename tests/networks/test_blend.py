import pytest
import torch

from instar.networks.blend import BlendGenerator, blend


@pytest.mark.parametrize(("side", "other"), [(32, 40), (64, 96), (128, 80)])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes(side: int, other: int, channels: int) -> None:
    net = BlendGenerator(channels, width=8, blocks=2, tail=4, side=side)
    assert net.size_divisor == side // 8
    for height, width in ((side, side), (other, side)):
        x = torch.rand(2, channels, height, width)
        assert net(x).shape == x.shape


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


def test_content_learns_under_a_closed_mask() -> None:
    """Seen is x + m (c - x), exactly; the gradients are its own, but content's is that of a mask of a tenth or more."""
    torch.manual_seed(0)
    x, content = (torch.rand(2, 3, 8, 8, dtype=torch.float64, requires_grad=True) for _ in range(2))
    for value in (0.0, 1e-6, 0.05, 0.1, 0.7, 1.0):
        mask = torch.full((2, 1, 8, 8), value, dtype=torch.float64, requires_grad=True)
        out = blend(x, content, mask)
        torch.testing.assert_close(out, x + value * (content - x), rtol=0, atol=1e-15)
        with torch.no_grad():
            torch.testing.assert_close(blend(x, content, mask), out, rtol=0, atol=1e-15)
        to_x, to_content, to_mask = torch.autograd.grad(out.sum(), (x, content, mask))
        torch.testing.assert_close(to_x, torch.full_like(x, 1 - value))
        torch.testing.assert_close(to_content, torch.full_like(x, max(value, 0.1)))
        torch.testing.assert_close(to_mask, (content - x).sum(1, keepdim=True))


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


def test_layers_of_the_encoder() -> None:
    net, x = BlendGenerator(width=8, blocks=2, tail=4), torch.rand(2, 3, 64, 64) * 2 - 1
    out, features = net.trace(x, tuple(net.channels))
    torch.testing.assert_close(out, net(x), rtol=0, atol=0)
    assert {name: tuple(found.shape[1:]) for name, found in features.items()} == {
        "pixels": (3, 64, 64),
        "stem": (4, 32, 32),
        "down": (8, 16, 16),
        "middle": (8, 16, 16),
    }
    assert {name: found.shape[1] for name, found in features.items()} == net.channels
    again = net.encode(x, ("middle",))
    assert list(again) == ["middle"]
    torch.testing.assert_close(again["middle"], features["middle"], rtol=0, atol=0)
