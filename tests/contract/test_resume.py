import json
import shutil
from pathlib import Path
from typing import Any

import torch

from contract.playing import build, silent, source_for, tiny, trainer
from instar.engine.trainer import Trainer


def everything(play: Trainer) -> dict[str, torch.Tensor]:
    parts = {"m": play.method.state_dict(), "o": play.optimizers.state(), "a": play.averages.state()}
    return {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}


def numbers(run: Path) -> list[dict[str, Any]]:
    """What was logged, less what the clock says."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in rows]


def assert_interrupted_equals_whole(name: str, folder: Path, **options: Any) -> Trainer:
    """Play 6 steps; take a copy as the run stood after step 3, and play that on with a fresh everything.

    The log interval of 2 puts the interruption into the middle of a mean.
    """
    train = {"steps": 6, "save_every": 3, "log_every": 2, "keep": 0, "batch": 2}
    config = tiny(name, train, **options)
    whole_run, cut_run = folder / "whole", folder / "cut"
    whole_run.mkdir()
    whole = trainer(config, whole_run, build(config), source_for(config))
    assert whole.fit(silent())
    shutil.copytree(whole_run, cut_run)
    shutil.rmtree(cut_run / "checkpoints" / "step-000000006")
    with (cut_run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "G/to')  # the kill came while a line was written
    torch.manual_seed(99)
    resumed = trainer(config, cut_run, build(config, seed=5), source_for(config))
    assert resumed.fit(silent())
    assert resumed.step == 6
    here, there = everything(whole), everything(resumed)
    assert here.keys() == there.keys()
    assert [key for key in here if not torch.equal(here[key], there[key])] == []
    assert numbers(whole_run) == numbers(cut_run)
    assert len(numbers(whole_run)) == 3
    return resumed


def test_resume(name: str, tmp_path: Path) -> None:
    resumed = assert_interrupted_equals_whole(name, tmp_path)
    assert resumed.averages.of
    assert resumed.optimizers.by_name
