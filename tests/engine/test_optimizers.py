import copy

import pytest
import torch
from torch import nn

from instar.core.config import Optim
from instar.core.progress import Progress
from instar.engine.optimizers import LARGEST_NORM, Optimizers, gradient_norm, usable
from instar.testing.runs import build, tiny


def test_weight_decay_leaves_biases_and_norms_alone() -> None:
    """With gradients of 0, Adam moves only what decays."""
    method = build(tiny("cyclegan", optim=Optim(lr=0.1, weight_decay=0.5)))
    optimizers = Optimizers(method)
    net = method.G
    assert isinstance(net, nn.Module)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1.0)
            parameter.grad = torch.zeros_like(parameter)
    optimizers.step(["G"], Progress(0, 10))
    assert all(bool((p < 1).all()) if p.dim() > 1 else bool((p == 1).all()) for p in net.parameters())


def test_averages_that_were_loaded_move_their_own_weights() -> None:
    """Also where a network keeps its weights in another order of memory than files do."""
    method = build(tiny("cyclegan"))
    method.G.to(memory_format=torch.channels_last)
    first = Optimizers(method)

    def step(optimizers: Optimizers, seed: int) -> None:
        chance = torch.Generator().manual_seed(seed)
        for parameter in optimizers.parameters(["G"]):
            drawn = torch.randn(parameter.shape, generator=chance)
            parameter.grad = torch.empty_like(parameter).copy_(drawn)
        optimizers.step(["G"], Progress(0, 10))

    step(first, 0)
    state = {key: value.contiguous().clone() for key, value in first.state().items()}
    weights = copy.deepcopy(method.G.state_dict())
    step(first, 1)
    expected = copy.deepcopy(method.G.state_dict())
    method.G.load_state_dict(weights)
    second = Optimizers(method)
    second.load(state)
    step(second, 1)
    found = method.G.state_dict()
    assert all(torch.equal(found[key], value) for key, value in expected.items())


def test_halved_rate() -> None:
    method = build(tiny("cyclegan", optim=Optim(lr=0.1, hold=1.0, halve=0.25)))
    optimizers = Optimizers(method)
    rates = []
    for step in range(8):
        optimizers.step(["G"], Progress(step, 8))
        rates.append(optimizers.by_name["G"].param_groups[0]["lr"])
    assert rates == [0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.0125, 0.0125]


@pytest.mark.parametrize("betas", [(0.0, 0.0), (0.5, 0.999), (0.999, 0.0), (0.9999999, 0.9999999)])
def test_what_adam_writes_is_finite_at_the_ends_of_all_bounds(betas: tuple[float, float]) -> None:
    method = build(tiny("cyclegan", optim=Optim(lr=1.0, weight_decay=100.0, betas=betas, hold=1.0)))
    optimizers = Optimizers(method)
    for step in range(20):
        for number, parameter in enumerate(optimizers.parameters(["G"])):
            size = (LARGEST_NORM, 0.0, 1e-30, 1.0)[(step + number) % 4]
            parameter.grad = torch.full_like(parameter, size / parameter.numel() ** 0.5 / 10)
        gradients = [p.grad for p in optimizers.parameters(["G"]) if p.grad is not None]
        assert usable(gradient_norm(gradients, 0))
        optimizers.step(["G"], Progress(step, 20))
    assert all(bool(p.isfinite().all()) for p in optimizers.parameters(["G"]))
    assert all(bool(value.isfinite().all()) for value in optimizers.state().values())


@pytest.mark.parametrize("size", [float("nan"), float("inf"), 1e19])
def test_gradients_that_adam_cannot_square(size: float) -> None:
    assert not usable(gradient_norm([torch.full((3,), size), torch.zeros(2)], 0))
