import math

import pytest
import torch
from torch import nn

from instar.methods.unit_adaptation.networks import DigitVAE, Shift, codis32x32, with_coordinates
from instar.networks.digits import codis28x28
from methods.parts import count


def test_parameter_counts() -> None:
    """Those of the authors' code, RGB against gray."""
    with torch.device("meta"):
        assert count(DigitVAE((3, 1))) == 10_053_380
        assert count(DigitVAE((3, 1), 96)) == 22_606_468
        net = codis32x32((3, 1))
        assert count(net) == 4_332_812
        assert [count(net.own[domain]) for domain in "ab"] == [4_864, 1_664]
        assert [count(stage) for stage in net.trunk] == [204_928, 819_456, 3_277_312]
        assert (count(net.real), count(net.label)) == (4_098, 20_490)
        assert count(codis28x28((1, 1))) == 432_603


@pytest.mark.parametrize(("side", "width", "code"), [(32, 64, 512), (28, 2, 16)])
def test_shapes(side: int, width: int, code: int) -> None:
    with torch.device("meta"):
        net = DigitVAE((3, 1), width, side)  # type: ignore[arg-type]
        a, b = torch.empty(2, 3, side, side), torch.empty(2, 1, side, side)
        mean, std = net.encode_both(a, b)
        assert mean.shape == std.shape == (4, code, 1, 1)
        in_a, in_b = net.decode_both(mean)
        assert (in_a.shape, in_b.shape) == ((4, 3, side, side), (4, 1, side, side))


def test_dropout_is_off_in_eval_and_where_it_is_not_wanted() -> None:
    net = codis32x32((1, 1), 4)
    x = torch.rand(2, 1, 32, 32)
    assert not torch.equal(net.features(x, x), net.features(x, x))
    assert not torch.equal(net.classify(x, "a"), net.classify(x, "a"))
    plain = net.features(x, x, drop=False)
    assert torch.equal(plain, net.features(x, x, drop=False))
    net.eval()
    assert torch.equal(net.features(x, x), plain)
    assert net.rates == (0.1, 0.3, 0.5, 0.5)
    assert codis28x28((1, 1)).rates == ()


def test_both_domains_use_the_same_parameters() -> None:
    """With equal own layers the domains cannot be told apart."""
    net = DigitVAE((1, 1), 2, 28).eval()
    x = torch.rand(2, 1, 28, 28)
    z = torch.randn(2, 16, 1, 1)
    assert not torch.equal(net.decode(z, "a"), net.decode(z, "b"))
    for own in (net.own_encoder, net.own_decoder):
        own["b"].load_state_dict(own["a"].state_dict())
    assert torch.equal(net.decode(z, "a"), net.decode(z, "b"))
    assert torch.equal(net.encode(x, "a")[0], net.encode(x, "b")[0])
    assert count(net) == sum(p.numel() for p in {id(p): p for p in net.parameters()}.values())


def test_both_at_once_is_one_after_the_other() -> None:
    net = DigitVAE((1, 1), 2, 28).eval()
    a, b = torch.rand(2, 2, 1, 28, 28)
    mean, std = net.encode_both(a, b)
    torch.testing.assert_close(mean, torch.cat([net.encode(a, "a")[0], net.encode(b, "b")[0]]))
    torch.testing.assert_close(std, torch.cat([net.encode(a, "a")[1], net.encode(b, "b")[1]]))
    in_a, in_b = net.decode_both(mean)
    torch.testing.assert_close(in_a, net.decode(mean, "a"))
    torch.testing.assert_close(in_b, net.decode(mean, "b"))


def test_spread_starts_at_ln_2() -> None:
    net = DigitVAE((1, 1), 2, 28)
    nn.init.zeros_(net.spread.weight)
    _, std = net.encode(torch.rand(2, 1, 28, 28), "a")
    torch.testing.assert_close(std, torch.full_like(std, math.log(2)))


def test_coordinates() -> None:
    x = torch.rand(2, 3, 32, 32)
    out = with_coordinates(x)
    assert torch.equal(out[:, :3], x)
    rows, columns = out[:, 3], out[:, 4]
    assert rows[0, :, 5].tolist() == columns[1, 7].tolist() == [(i - 16) / 16 for i in range(32)]
    assert (rows.min(), rows.max()) == (-1, 0.9375)
    assert torch.equal(rows, rows[:, :, :1].expand_as(rows))
    assert torch.equal(columns, columns[:, :1].expand_as(columns))


def test_shift() -> None:
    layer = Shift(2)
    assert layer.by.std() < 0.02
    with torch.no_grad():
        layer.by.copy_(torch.tensor([0.0, 10.0]))
    out = layer(torch.randn(64, 2, 8, 8) * 3 + 5)
    positive = out[:, 0][out[:, 0] > 0]
    assert positive.mean().item() == pytest.approx(0.7979, rel=0.05)  # half of a normal distribution
    assert out[:, 0].min() > -0.1  # the slope is 0.01
    assert out[:, 1].mean().item() == pytest.approx(10, abs=1e-3)


def test_initial_weights() -> None:
    net = DigitVAE((1, 1), 16, 28)
    kernels = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    drawn = torch.cat([m.weight.flatten() for m in kernels])
    assert drawn.std().item() == pytest.approx(0.02, rel=0.02)
    assert all(m.bias is not None and not m.bias.any() for m in kernels)
    first = codis28x28((1, 1)).own["a"][0]
    assert first.weight.abs().max() <= math.sqrt(2) * math.sqrt(6 / (25 + 500))
    assert first.weight.abs().max() > 0.14
    assert (first.bias == 0.1).all()
