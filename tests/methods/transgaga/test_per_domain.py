import copy

import torch
from torch import nn

from instar.methods.transgaga.per_domain import PerDomain


def test_two_networks() -> None:
    both = PerDomain(lambda: nn.Linear(2, 3))
    assert both["a"] is not both["b"]
    assert not torch.equal(both["a"].weight, both["b"].weight)
    assert len(both.state_dict()) == 4


def test_one_for_both() -> None:
    both = PerDomain(lambda: nn.Linear(2, 3), shared=True)
    assert both["a"] is both["b"]
    assert len(list(both.parameters())) == len(both.state_dict()) == 2
    other = copy.deepcopy(both)
    assert other["a"] is other["b"] is not both["a"]
    other.load_state_dict(both.state_dict())


def test_the_first_built_is_a() -> None:
    torch.manual_seed(3)
    both = PerDomain(lambda: nn.Linear(2, 3))
    torch.manual_seed(3)
    assert torch.equal(both["a"].weight, nn.Linear(2, 3).weight)
