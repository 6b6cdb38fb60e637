"""Checks of going on where a run stood."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from instar.core.events import Listeners
from instar.engine.trainer import Trainer
from instar.engine.writers import Metrics
from instar.testing.case import Case
from instar.testing.runs import build, source_for, tiny, trainer


def resume(case: Case) -> None:
    """A run that was interrupted and resumed ends with the bits of one that was not."""
    resumed = _interrupted_equals_whole(case.name, case.folder)
    assert resumed.averages.of
    assert resumed.optimizers.by_name


def _interrupted_equals_whole(name: str, folder: Path, **options: Any) -> Trainer:
    """Train 6 steps; take a copy as the run stood after step 3, and train that on with a fresh everything.

    The log interval of 2 puts the interruption into the middle of a mean.
    """
    train = {"steps": 6, "save_every": 3, "log_every": 2, "keep": 0, "batch": 2}
    config = tiny(name, train, **options)
    whole_run, cut_run = folder / "whole", folder / "cut"
    whole_run.mkdir()
    source = source_for(config)
    whole = trainer(config, whole_run, build(config), source, on_event=Metrics(whole_run, Listeners()))
    assert whole.fit()
    shutil.copytree(whole_run, cut_run)
    shutil.rmtree(cut_run / "checkpoints" / "step-000000006")
    with (cut_run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "G/to')  # the kill came while a line was written
    resumed = trainer(config, cut_run, build(config, seed=5), source, on_event=Metrics(cut_run, Listeners()))
    assert resumed.fit()
    assert resumed.step == 6
    here, there = _everything(whole), _everything(resumed)
    assert here.keys() == there.keys()
    assert [key for key in here if not torch.equal(here[key], there[key])] == []
    assert _numbers(whole_run) == _numbers(cut_run)
    assert len(_numbers(whole_run)) == 3
    return resumed


def _everything(run: Trainer) -> dict[str, torch.Tensor]:
    parts = {"m": run.method.state_dict(), "o": run.optimizers.state(), "a": run.averages.state()}
    return {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}


def _numbers(run: Path) -> list[dict[str, Any]]:
    """Return what was logged, less what the clock says."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in rows]
