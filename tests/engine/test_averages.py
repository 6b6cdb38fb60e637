"""Averaged weights, against their closed form."""

from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import nn

from instar.engine.averages import RAMP, Averages
from instar.testing.runs import build, source_for, tiny, trainer


class OneNumber(nn.Module):
    """What averages need of a method: a network that translates, here of one weight, and one that does not."""

    translators: ClassVar[tuple[str, ...]] = ("G",)

    def __init__(self) -> None:
        super().__init__()
        self.G = nn.Linear(1, 1, bias=False).double()
        self.D = nn.Linear(1, 1).double()


def averaged(weights: list[float], half_life: int, batch: int) -> float:
    """The average after steps of `batch` images at whose ends the weight was this; the first is that of the start."""
    method = OneNumber()
    method.G.weight.data.fill_(weights[0])
    averages = Averages(method, half_life)  # type: ignore[arg-type]
    for step, weight in enumerate(weights[1:], 1):
        method.G.weight.data.fill_(weight)
        averages.update(step * batch, batch)
    assert list(averages.of) == ["G"]
    (kept,) = averages.state().values()
    return kept.item()


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_weights_count_half_after_the_half_life_in_images(batch: int) -> None:
    """Long after the start: a jump from 0 to 1 is at 1/2 after a half-life of images, however many a step takes."""
    half_life, before = 64, 1000 // batch
    steps = half_life // batch
    found = averaged([0.0] * (before + 1) + [1.0] * steps, half_life, batch)
    assert found == pytest.approx(0.5)


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_at_first_the_half_life_is_a_share_of_the_images_seen(batch: int) -> None:
    """A start at 1 and then only 0: the product of the decays, each by the images seen until then."""
    steps = 10
    expected = 1.0
    for step in range(1, steps + 1):
        half_life_in_steps = RAMP * step  # a share of the images seen so far, over those of a step
        expected *= 0.5 ** (1 / half_life_in_steps)
    assert averaged([1.0] + [0.0] * steps, 10**6, batch) == pytest.approx(expected)
    assert RAMP == 0.2


@pytest.mark.parametrize("batch", [1, 4])
def test_the_ramp_ends_at_the_half_life(batch: int) -> None:
    """From 5 half-lives of images on it is constant: one more step is one more decay by the half-life."""
    half_life, steps = 8, 40 // batch
    before = averaged([1.0] + [0.0] * steps, half_life, batch)
    after = averaged([1.0] + [0.0] * (steps + 1), half_life, batch)
    assert after / before == pytest.approx(0.5 ** (batch / half_life))
    early = averaged([1.0] + [0.0] * (steps // 5), half_life, batch)
    earlier = averaged([1.0] + [0.0] * (steps // 5 - 1), half_life, batch)
    assert early / earlier == pytest.approx(0.5 ** (1 / (RAMP * (steps // 5))))


def test_no_averages_at_a_half_life_of_0() -> None:
    assert Averages(OneNumber(), 0).of == {}  # type: ignore[arg-type]


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_run_counts_images_not_steps(tmp_path: Path, batch: int) -> None:
    """The averages of a run of a real method are those of the formula, at batches above 1 too."""
    config = tiny("cyclegan", {"batch": batch, "ema": 10})
    play = trainer(config, tmp_path, build(config), source_for(config))
    net = play.method.get_submodule("G")
    expected = [p.detach().double() for p in net.parameters()]
    for step in range(4):
        play.step = step
        play.train_step(play.source.batch(step))
        images = (step + 1) * batch
        decay = 0.5 ** (batch / min(10.0, 0.2 * images))
        expected = [decay * old + (1 - decay) * p.detach() for old, p in zip(expected, net.parameters(), strict=True)]
    for old, p in zip(expected, play.averages.of["G"].net.parameters(), strict=True):
        torch.testing.assert_close(p.double(), old, rtol=1e-4, atol=1e-6)
