"""Scores of sets that are taken in blocks are those of the whole sets at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from instar.metrics import blocks, distances, interval
from instar.metrics.blocks import check_samples, rows_of
from instar.metrics.coverage import coverage, coverage_intervals
from instar.metrics.frechet import frechet_distance
from instar.metrics.interval import mean_interval
from instar.metrics.kid import kernel_distance, kernel_distance_interval
from instar.metrics.probe import fit_probe
from instar.metrics.realism import realism_ratios

SCORES: dict[str, Callable[[Any, Any], Any]] = {
    "KID": kernel_distance,
    "interval of KID": lambda x, y: kernel_distance_interval(x, y, draws=30),
    "FD": frechet_distance,
    "coverage": coverage,
    "intervals of coverage": lambda x, y: list(coverage_intervals(x, y, draws=20).values()),
    "realism": realism_ratios,
    "realism by others": lambda x, y: realism_ratios(x, y, x),
    "probe": lambda x, y: fit_probe(x, y).logits(x),
    "probe of few": lambda x, y: fit_probe(x[:4], y[:5]).logits(x),
    "mean": lambda x, y: mean_interval(x[:, 0]),
}


@pytest.mark.parametrize("rows", [1, 5, 16])
@pytest.mark.parametrize("name", SCORES)
def test_blocks_equal_the_whole(name: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(37, 12)).astype(np.float32)
    y = (random.normal(size=(43, 12)) + 0.5).astype(np.float32)
    whole = np.array(SCORES[name](x, y), np.float64)
    monkeypatch.setattr(blocks, "ROWS", rows)
    monkeypatch.setattr(distances, "_NUMBERS", rows * 43)
    monkeypatch.setattr(interval, "_NUMBERS", rows * 43)
    assert np.array(SCORES[name](x, y), np.float64) == pytest.approx(whole, rel=1e-7, abs=1e-9)


def test_blocks_hold_every_row_once() -> None:
    assert list(rows_of(np.zeros(7), 3)) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert list(rows_of(np.zeros((0, 4)), 3)) == []


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.ones((3, 2)), np.ones((3, 4)), r"\(N, D\) and \(M, D\)"),
        (np.ones(3), np.ones((3, 1)), r"\(N, D\)"),
        (np.ones((1, 2)), np.ones((3, 2)), "at least two images"),
        (np.full((3, 2), np.nan), np.ones((3, 2)), "not finite"),
    ],
)
def test_what_is_refused(x: Any, y: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_samples(x, y)
