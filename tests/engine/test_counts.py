import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from engine.heard import Heard
from instar.core.events import Logged
from instar.core.objective import Loss, Objective
from instar.core.run import checkpoints
from instar.engine.counts import Counts
from instar.engine.writers import Board, Metrics
from instar.testing.runs import build, source_for, tiny, trainer

ONE = Fabric(accelerator="cpu", devices=1)


def counted(*numbers: int) -> Objective:
    return Objective("C", (), Loss(), counts={"groups": torch.tensor(numbers)})


def test_counts_are_sums_and_start_anew() -> None:
    counts = Counts()
    counts.add(counted(1, 0, 2))
    counts.add(Objective("G", (), Loss()))
    kept = json.loads(json.dumps(counts.state()))
    counts.add(counted(0, 0, 4))
    assert counts.read(ONE) == {"groups": [1, 0, 6]}
    assert counts.read(ONE) == {}
    counts.load(kept, torch.device("cpu"))
    counts.add(counted(0, 5, 0))
    assert counts.read(ONE) == {"groups": [1, 5, 2]}


def test_a_group_that_stays_empty_is_named_once() -> None:
    counts = Counts()
    assert counts.watch({"groups": [100, 199, 0]}) == []  # one image short of 100 for each of three
    assert counts.watch({"groups": [1, 0, 0]}) == ["groups 2: none of the last 300 images"]
    assert counts.watch({"groups": [0, 400, 0]}) == ["groups 0: none of the last 400 images"]
    assert counts.watch({"groups": [10, 400, 1]}) == []
    assert counts.watch({"groups": [10, 400, 0]}) == ["groups 2: none of the last 410 images"]


def test_a_run_logs_its_domains_and_warns(tmp_path: Path) -> None:
    """All the images of a step are in its counts; a head that can not win gets none."""
    config = tiny("tunit", {"steps": 12, "log_every": 5, "save_every": 12, "batch": 32}, cluster=1.0, width=1)
    method = build(config)
    method.H.bias.data[1] = -1e4
    heard = Heard()
    play = trainer(config, tmp_path, method, source_for(config), on_event=heard)
    with closing(Board(tmp_path, heard)) as board:
        play.listeners.add(Metrics(tmp_path, heard), board)
        assert play.fit()
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [sum(row["domains"]) for row in rows] == [160, 160, 64]
    assert [row["domains"][1] for row in rows] == [0, 0, 0]
    assert heard.warnings == ["step 10: domains 1: none of the last 320 images"]
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    shares = [event.value for event in events.Scalars("domains/0")]
    assert shares == pytest.approx([row["domains"][0] / sum(row["domains"]) for row in rows])


def test_a_checkpoint_of_before_counts_is_taken_up(tmp_path: Path) -> None:
    config = tiny("tunit", {"steps": 2, "log_every": 3, "save_every": 1}, cluster=1.0)
    trainer(config, tmp_path, build(config), source_for(config)).fit()
    path = checkpoints(tmp_path)[-1] / "training.json"
    training = json.loads(path.read_text())
    assert sum(training.pop("counts", {}).get("domains", [0])) == 0  # read at the end
    path.write_text(json.dumps(training))
    (path.parent / "SHA256SUMS").unlink()
    longer = replace(config, train=replace(config.train, steps=3))
    heard = Heard()
    assert trainer(longer, tmp_path, build(longer), source_for(longer), on_event=heard).fit()
    assert heard.of(Logged)[-1].values["domains"]
