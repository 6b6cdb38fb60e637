import torch
from torch import nn

from instar.methods.cogan.networks import PairGenerator
from methods.parts import count


def test_sizes_within_the_generator() -> None:
    net = PairGenerator(1, 2)
    sides = []
    for layer in net.shared:
        if isinstance(layer, nn.ConvTranspose2d):
            layer.register_forward_hook(lambda *_, made=sides: made.append(_[2].shape[-1]))
    a, b = net(torch.randn(3, 100))
    assert sides == [4, 7, 13, 25]
    assert a.shape == b.shape == (3, 1, 28, 28)
    assert min(a.min(), b.min()) >= 0
    assert max(a.max(), b.max()) <= 1


def test_a_pair_comes_of_one_code() -> None:
    """With equal last layers both images are the same; each layer has parameters of its own alone."""
    net = PairGenerator(1, 2).eval()
    code = torch.randn(2, 100)
    a, b = net(code)
    assert not torch.equal(a, b)
    net.own["b"].load_state_dict(net.own["a"].state_dict())
    a, b = net(code)
    assert torch.equal(a, b)
    a.sum().backward()
    assert all(p.grad is None for p in net.own["b"].parameters())
    assert count(net) == sum(p.numel() for p in {id(p): p for p in net.parameters()}.values())


def test_initial_weights() -> None:
    net = PairGenerator(1, 8)
    for layer in net.modules():
        if isinstance(layer, nn.ConvTranspose2d):
            assert layer.bias is not None
            assert (layer.bias == 0.1).all()
    weight = net.shared[3].weight
    assert isinstance(weight, torch.Tensor)
    bound = 2**0.5 * (6 / (9 * (64 + 32))) ** 0.5
    assert 0.9 * bound < weight.abs().max() <= bound
