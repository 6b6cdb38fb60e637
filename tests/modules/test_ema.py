import pytest
import torch
from torch import nn

from instar.modules.ema import Average, decay_of


def constant(value: float) -> nn.Linear:
    net = nn.Linear(2, 2)
    for p in net.parameters():
        nn.init.constant_(p, value)
    return net


def test_error_shrinks_like_a_power() -> None:
    """After n steps towards a fixed target 0.999^n of the difference are left."""
    average, target = Average(constant(1.0)), constant(0.0)
    for _ in range(1000):
        average.update(target, 0.999)
    torch.testing.assert_close(average.net.weight, torch.full((2, 2), 0.999**1000), rtol=1e-4, atol=0)
    assert average.net.weight[0, 0].item() == pytest.approx(0.3677, abs=1e-4)


def test_is_a_copy_that_nobody_trains() -> None:
    net = constant(1.0)
    average = Average(net)
    assert not any(p.requires_grad for p in average.parameters())
    assert all(p.requires_grad for p in net.parameters())
    with torch.no_grad():
        net.weight.fill_(5.0)
    assert torch.equal(average.net.weight, torch.ones(2, 2))
    average.update(net, 0.0)
    assert torch.equal(average.net.weight, net.weight)


def test_buffers_are_copied() -> None:
    net = nn.BatchNorm1d(2)
    average = Average(net)
    net.train()(torch.randn(8, 2))
    average.update(net, 0.9)
    assert torch.equal(average.net.running_mean, net.running_mean)
    assert int(average.net.num_batches_tracked) == 1


def test_half_life() -> None:
    assert decay_of(1) == 0.5
    assert decay_of(10) ** 10 == pytest.approx(0.5)


def test_buffers_can_be_left_alone() -> None:
    net = nn.BatchNorm1d(2)
    average = Average(net)
    net(torch.randn(8, 2) + 5)
    average.update(net, 0.5, buffers=False)
    assert torch.equal(average.net.running_mean, torch.zeros(2))
    average.update(net, 0.5)
    assert torch.equal(average.net.running_mean, net.running_mean)
