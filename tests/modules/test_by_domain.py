import torch
from torch import nn

from instar.modules.by_domain import by_domain


def test_a_network_for_each_domain() -> None:
    nets = by_domain((3, 1), lambda channels: nn.Conv2d(channels, 2, 1))
    assert list(nets) == ["a", "b"]
    assert nets["a"](torch.zeros(1, 3, 4, 4)).shape == nets["b"](torch.zeros(1, 1, 4, 4)).shape == (1, 2, 4, 4)
    assert nets["a"] is not nets["b"]
