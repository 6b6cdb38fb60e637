import pytest
import torch
from torch import nn

from instar.modules.freeze import frozen


def test_gradients_pass_through_and_leave_nothing_behind() -> None:
    net = nn.Linear(3, 2)
    x = torch.randn(4, 3, requires_grad=True)
    with frozen(net):
        out = net(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad, net.weight.sum(0).expand(4, 3))
    assert net.weight.grad is None
    assert net.bias.grad is None


def test_what_was_trained_is_trained_again_and_nothing_else() -> None:
    net = nn.Linear(3, 2)
    net.bias.requires_grad_(False)
    with frozen(net):
        assert not any(p.requires_grad for p in net.parameters())
    assert net.weight.requires_grad
    assert not net.bias.requires_grad
    with pytest.raises(RuntimeError, match="shapes"), frozen(net):
        net(torch.zeros(1, 4))
    assert net.weight.requires_grad
    assert not net.bias.requires_grad


def test_a_pass_before_it_still_moves_the_network() -> None:
    """Under autocast too, which keeps the weights that it has rounded."""
    for precision in (torch.float32, torch.bfloat16):
        net = nn.Linear(3, 2)
        x = torch.randn(4, 3)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            before = net(x)
            with frozen(net):
                within = net(x)
            after = net(x)
        assert before.requires_grad
        assert not within.requires_grad
        assert after.requires_grad
