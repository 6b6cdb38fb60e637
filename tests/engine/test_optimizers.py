import torch
from torch import nn

from instar.core.config import Optim
from instar.core.progress import Progress
from instar.engine.optimizers import Optimizers
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


def test_halved_rate() -> None:
    method = build(tiny("cyclegan", optim=Optim(lr=0.1, hold=1.0, halve=0.25)))
    optimizers = Optimizers(method)
    rates = []
    for step in range(8):
        optimizers.step(["G"], Progress(step, 8))
        rates.append(optimizers.by_name["G"].param_groups[0]["lr"])
    assert rates == [0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.0125, 0.0125]
