"""One number about a set of translations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from instar.metrics.interval import mean_interval

Better = Literal["lower", "higher", ""]
ARROWS: Mapping[Better, str] = {"lower": "↓", "higher": "↑", "": ""}
"""Beside the name of a score."""


@dataclass(frozen=True)
class Score:
    """One number and what it means."""

    name: str
    value: float
    better: Better = ""
    """Which way is good; nothing where neither is."""
    low: float | None = None
    """Lower end of the 95 % interval over the choice of the test images, where there is one."""
    high: float | None = None


def mean_of(name: str, values: Tensor, better: Better) -> Score:
    """Return the mean of one number per image (N,), with its interval where there are enough and all are finite."""
    if len(values) < 4 or not values.isfinite().all():
        return Score(name, values.double().mean().item(), better)
    return Score(name, values.double().mean().item(), better, *mean_interval(values.double().numpy()))


def by_name(scores: Iterable[Score]) -> dict[str, float]:
    """Return the numbers of scores by their names."""
    return {score.name: score.value for score in scores}
