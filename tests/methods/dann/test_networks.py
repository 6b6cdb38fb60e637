import torch
from torch import nn

from instar.methods.dann.networks import Classes, Domains, Features, reversed_gradient


def test_shapes() -> None:
    features = Features(1)(torch.rand(2, 1, 28, 28))
    assert features.shape == (2, 768)
    assert Classes(5)(features).shape == (2, 5)
    assert Domains()(features).shape == (2, 1)


def test_a_gradient_is_reversed() -> None:
    x, weight = torch.randn(3, requires_grad=True), torch.randn(3)
    out = reversed_gradient(x, 0.25)
    assert torch.equal(out, x)
    (gradient,) = torch.autograd.grad((out * weight).sum(), x)
    torch.testing.assert_close(gradient, -0.25 * weight)


def test_two_reversals_are_none() -> None:
    net, x = nn.Linear(3, 1), torch.randn(2, 3)
    plain = torch.autograd.grad(net(x).sum(), net.weight)[0]
    twice = reversed_gradient(reversed_gradient(net(x), 1.0), 1.0)
    torch.testing.assert_close(torch.autograd.grad(twice.sum(), net.weight)[0], plain)
