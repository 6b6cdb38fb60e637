"""Runs whose networks are CUDA graphs end as without: nothing of a step is needed once the next one has begun."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.graphs import Graphs
from engine.heard import Heard
from engine.lagging import Broken, logged, same
from instar.core import registry
from instar.engine import computing
from instar.engine.computing import set_up
from instar.engine.parallel import fabric_of
from instar.engine.trainer import Trainer
from instar.testing.runs import build, source_for, tiny, trainer

NAN_IN_PREPARATION = ("transgaga", "distancegan")
"""Methods that look at all images before they start."""


def trained(name: str, run: Path, at: tuple[int, ...] = ()) -> tuple[Trainer, Heard]:
    """Train as on a GPU, as far as a CPU can: steps are judged late, networks are what `train.cuda_graphs` makes them.

    Args:
        name: of the method.
        run: an empty directory, or one to go on with.
        at: steps whose images are not finite.
    """
    train = {"batch": 2, "steps": 8, "log_every": 3, "save_every": 4, "cuda_graphs": True}
    config, heard = tiny(name, train), Heard()
    method, source = build(config), source_for(config)
    source.__class__ = Broken
    source.bad = at  # type: ignore[attr-defined]
    _, said = set_up(fabric_of("cpu"), method, config, source, run)
    assert "the first step is the same" in said[-1], said
    run.mkdir(exist_ok=True)
    play = trainer(config, run, method, source, on_event=heard)
    play.lags = True
    assert play.fit()
    return play, heard


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each look at the first step take less than the one before: here nothing is faster."""
    taken = iter(range(10**6, 0, -1))
    monkeypatch.setattr(computing, "seconds_of", lambda work, _: (work(), float(next(taken)))[1])


@pytest.mark.parametrize(
    "name",
    [name if name in ("cyclegan", "cut") else pytest.param(name, marks=pytest.mark.slow) for name in registry.names()],
)
def test_the_same_bits(name: str, graphs: Graphs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of the same traced networks, where what they give is overwritten and where it is kept; steps undone included."""
    bad: tuple[int, ...] = () if name in NAN_IN_PREPARATION else (5,)
    overwritten, heard = trained(name, tmp_path / "graphs", bad)
    assert graphs.recorded > 0
    assert len([line for line in heard.warnings if "skipped" in line]) == len(bad)
    monkeypatch.setattr(Graphs, "begin", lambda _: None)
    torch.compiler.reset()
    kept, heard_too = trained(name, tmp_path / "kept", bad)
    same(overwritten, kept)
    assert logged(heard) == logged(heard_too)


def test_a_run_goes_on_with_the_same_bits(graphs: Graphs, tmp_path: Path) -> None:
    whole, _ = trained("cyclegan", tmp_path / "whole")
    cut = tmp_path / "cut"
    (tmp_path / "whole").rename(cut)
    (cut / "checkpoints" / "step-000000008").rename(tmp_path / "last")
    again, _ = trained("cyclegan", cut)
    same(whole, again)
    assert graphs.recorded > 0
