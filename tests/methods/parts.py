"""Networks that answer what a test wants, and what several tests count."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from instar.core.config import RunConfig
from instar.core.objective import Objective
from instar.testing.runs import Noise, build, source_for, trainer

CLASSIFIERS = ("cogan", "dann")
"""Methods that translate nothing."""


class Constant(nn.Module):
    """A discriminator that says the same of everything."""

    def __init__(self, says: float) -> None:
        super().__init__()
        self.says = says

    def forward(self, x: Tensor) -> Tensor:
        return torch.full((len(x), 1, 2, 3), self.says)


class Shift(nn.Module):
    """A generator that makes everything brighter."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x + self.by


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def values(objective: Objective) -> dict[str, float]:
    return {t.name: t.value.item() for t in objective.loss.terms}


def scramble(method: nn.Module) -> nn.Module:
    """Double precision, and weights large enough that every term and every path has a gradient to speak of.

    In single precision Adam would turn the rounding noise of biases before an instance norm, whose gradient is 0,
    into steps of full length.
    """
    chance = torch.Generator().manual_seed(7)
    method.double()
    with torch.no_grad():
        for p in method.parameters():
            p.add_(torch.randn(p.shape, generator=chance, dtype=p.dtype) * 0.1)
    return method


def steps_equal(
    config: RunConfig, folder: Path, nets: Sequence[str], by_hand: Callable[[Any, Noise, Any], list[nn.Module]]
) -> None:
    """All steps of a run, in double precision, end where a loop written by hand does, and move every kernel."""
    method = scramble(build(config))
    source = source_for(config, dtype=torch.float64)
    engine = trainer(config, folder, method, source)
    before = [copy.deepcopy(getattr(method, name)) for name in nets]
    expected = by_hand(method, source, config.method)
    for step in range(config.train.steps):
        engine.train_step(source.batch(step))
    for name, old, hand in zip(nets, before, expected, strict=True):
        for start, a, b in zip(old.parameters(), hand.parameters(), getattr(method, name).parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-7, rtol=0, msg=name)
            assert a.dim() == 1 or (a - start).abs().max() > 1e-4


def spread(net: nn.Module, x: Tensor) -> list[int]:
    """How many rows of the input the centre of each of the net's outputs sees, by the support of its gradient.

    All weights are 1 and all inputs positive, so that nothing cancels and no activation is closed.
    """
    with torch.no_grad():
        for p in net.parameters():
            p.fill_(1.0 if p.dim() > 1 else 0.0)
    x = x.double().requires_grad_()
    out = net.double()(x)
    rows = []
    for feature in out if isinstance(out, (list, tuple)) else [out]:
        n, m = feature.shape[2:]
        (g,) = torch.autograd.grad(feature[0, :, n // 2, m // 2].sum(), x, retain_graph=True)
        rows.append(int((g.abs().sum((0, 1, 3)) > 0).sum()))
    return rows


def without_norms(net: nn.Module, *kinds: type[nn.Module]) -> nn.Module:
    """Replace norms by nothing: they make every receptive field the whole image."""
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, kinds):
                setattr(module, name, nn.Identity())
    return net
