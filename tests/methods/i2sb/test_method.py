"""I2SB as the paper has it."""

import copy
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn

from instar.core.batch import Paired
from instar.core.errors import UserError
from instar.core.progress import Progress
from instar.core.seed import generator
from instar.methods.i2sb import I2SB, Config
from instar.testing.runs import Noise, build, interrupted_equals_whole, source_for, tiny, trainer
from methods.parts import scramble, values

STEPS = 4


def sigmas(intervals: int, beta: float) -> list[float]:
    """σ² at 0 ... N."""
    roots = [0.1**0.5 + (beta**0.5 - 0.1**0.5) * n / (intervals - 1) for n in range(intervals // 2)]
    rates = [root**2 / intervals for root in roots]
    return [0.0, *torch.tensor([*rates, *rates[::-1]], dtype=torch.float64).cumsum(0).tolist()]


def by_hand(method: I2SB, source: Noise, *, noise: bool, beta: float) -> nn.Module:
    """A loop of its own, one image a step."""
    eps = copy.deepcopy(method.eps)
    adam = torch.optim.Adam(eps.parameters(), lr=2e-4, betas=(0.9, 0.999))
    variances = sigmas(1000, beta)
    for step in range(STEPS):
        x1, x0 = source.batch(step).a, source.batch(step).b
        seed_step(0, step)
        n = int(torch.randint(1, 1001, (1,)))
        ahead, behind = variances[n], variances[-1] - variances[n]
        x = (behind * x0 + ahead * x1) / (ahead + behind)
        if noise:
            x = x + (ahead * behind / (ahead + behind)) ** 0.5 * torch.randn_like(x0)
        adam.zero_grad()
        ((eps(x, torch.tensor([n]), x1) - (x - x0) / ahead**0.5) ** 2).mean().backward()
        adam.step()
    return eps


@pytest.mark.parametrize(("noise", "beta"), [(True, 0.3), (False, 1.0)], ids=["drawn", "straight"])
def test_steps_equal_a_hand_written_loop(tmp_path: Path, noise: bool, beta: float) -> None:
    config = tiny("i2sb", {"steps": STEPS}, noise=noise, beta=beta)
    method = cast(I2SB, scramble(build(config)))
    source = source_for(config, dtype=torch.float64)
    engine = trainer(config, tmp_path, method, source)
    before = copy.deepcopy(method.eps)
    expected = by_hand(method, source, noise=noise, beta=beta)
    for step in range(STEPS):
        engine.train_step(source.batch(step))
    for start, a, b in zip(before.parameters(), expected.parameters(), method.eps.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)
        assert (a - start).abs().max() > 1e-4


def test_resume(tmp_path: Path) -> None:
    interrupted_equals_whole("i2sb", tmp_path, condition=True)


class Known(nn.Module):
    """A network that knows where the path comes from."""

    def __init__(self, method: I2SB, x0: Tensor) -> None:
        super().__init__()
        self.bridge, self.x0 = method.bridge, x0

    def forward(self, x: Tensor, n: Tensor, end: Tensor) -> Tensor:
        return (x - self.x0) / self.bridge.deviation(n)

    def limit(self, out: Tensor, x: Tensor) -> Tensor:
        return out


@pytest.mark.parametrize("evaluations", [1, 2, 7])
@pytest.mark.parametrize("noise", [False, True])
def test_with_a_perfect_network_the_path_comes_to_the_pair_without_a_loss(evaluations: int, noise: bool) -> None:
    method = cast(I2SB, build(tiny("i2sb", evaluations=evaluations, noise=noise)))
    batch = cast(Paired, Noise(Paired).batch(0))
    method.eps = Known(method, batch.b)  # type: ignore[assignment]
    torch.testing.assert_close(method.translate(batch.a, generator=generator(0)), batch.b, atol=1e-5, rtol=0)
    (objective,) = method.objectives(batch, Progress(0, 10))
    assert values(objective)["bridge"] == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize(("noise", "evaluations", "stochastic"), [(True, 2, True), (True, 1, False), (False, 2, False)])
def test_chance(noise: bool, evaluations: int, stochastic: bool) -> None:
    """One pass, or a straight path, draw nothing; otherwise another seed gives another picture."""
    method = cast(I2SB, scramble(build(tiny("i2sb", noise=noise, evaluations=evaluations))))
    x = torch.rand(1, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        first, second = (method.translate(x, generator=generator(seed)) for seed in (0, 1))
    assert method.stochastic is stochastic
    assert torch.equal(first, second) is not stochastic


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"intervals": 7}, "method.intervals=7: take an even number"),
        ({"intervals": 10, "evaluations": 11}, "method.evaluations=11: there are no more places along the path"),
        ({"width": 9}, "method.width=9: take an even number"),
        ({"multipliers": ()}, "method.multipliers: give one number for each level"),
    ],
)
def test_settings_that_cannot_be(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Config(**options)
