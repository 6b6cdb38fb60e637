"""Each logger with its real package, where that is installed, without a network."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instar.core.errors import UserError
from instar.core.events import Event, Logged, Pictured, Scored, Started
from instar.core.method import defaults
from instar.core.registry import get
from instar.core.settings import with_changes
from instar.engine.trackers import IDS, TRACKERS, Tracker, boards, check_logger

CONFIG = defaults("cut", get("cut"), "tiny")
PICTURE = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)


def train(run: Path, name: str, step: int = 0) -> list[Event]:
    """Tell a logger of a short training, and return what it says that it cannot do."""
    said: list[Event] = []
    with closing(TRACKERS[name](run, said.append, CONFIG)) as tracker:
        tracker(Started(run, "cut", step, 20, 1, "cpu"))
        tracker(Logged(step + 5, {"G/gan": 0.5, "domains": [3, 1]}, 1.0, 2.0))
        tracker(Pictured(step + 5, None, PICTURE))
        tracker(Scored(step + 6, {"validation/KID": 0.25}))
    return said


class Fake(Tracker):
    package = title = "fake"

    def begin(self, name: str, known: str | None) -> str:
        self.heard: list[Any] = [("begin", name, known)]
        return known or "new"

    def numbers(self, values: Any, step: int) -> None:
        self.heard.append((dict(values), step))

    def picture(self, pixels: Any, step: int) -> None:
        self.heard.append((pixels.shape, step))

    def end(self) -> None:
        raise OSError("gone")


def test_what_a_logger_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instar.engine.trackers.import_module", lambda name: name)
    tracker = Fake(tmp_path, lambda _: None, CONFIG)
    tracker.close()  # nothing was begun
    for _ in range(2):
        tracker(Started(tmp_path, "cut", 0, 20, 1, "cpu"))
    assert tracker.heard == [("begin", tmp_path.name, "new")]
    tracker(Logged(5, {"G/gan": 0.5, "domains": [3, 1]}, 1.0, 2.0))
    numbers = {"seconds": 1.0, "images_per_second": 2.0, "G/gan": 0.5, "domains/0": 0.75, "domains/1": 0.25}
    assert tracker.heard[1] == (numbers, 5)
    tracker(Pictured(5, None, PICTURE))
    assert tracker.heard[2] == (PICTURE.shape, 5)
    tracker.close()  # what it raises is nothing to a training
    assert json.loads((tmp_path / IDS).read_text()) == {"fake": "new"}
    assert tracker.settings["train.steps"] == CONFIG.train.steps


def test_a_logger_that_is_not_installed_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instar.engine.trackers.find_spec", lambda _: None)
    with pytest.raises(UserError, match="it is not installed: pip install wandb"):
        check_logger(with_changes(CONFIG.train, {"logger": "wandb"}))
    check_logger(CONFIG.train)


def test_tensorboard_is_written_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with boards(CONFIG, tmp_path, lambda _: None) as found:
        assert [one.title for one in found] == ["TensorBoard"]
    monkeypatch.setattr("instar.engine.trackers.find_spec", lambda _: None)
    with boards(CONFIG, tmp_path, lambda _: None) as found:
        assert found == []


def test_trackio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pytest.importorskip("trackio")
    assert train(tmp_path, "trackio") == []
    assert train(tmp_path, "trackio", step=10) == []
    (file,) = (path for path in (tmp_path / "trackio").rglob("*.db") if "instar" in path.name)
    with closing(sqlite3.connect(file)) as database:
        rows = database.execute("SELECT run_name, step, metrics FROM metrics ORDER BY step").fetchall()
    assert len({name for name, *_ in rows}) == 1
    found = [(step, json.loads(metrics).get("G/gan")) for _, step, metrics in rows]
    assert [one for one in found if one[1] is not None] == [(5, 0.5), (15, 0.5)]
    assert len(list((tmp_path / "trackio").rglob("*.png"))) == 2


def test_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow = pytest.importorskip("mlflow")
    assert train(tmp_path, "mlflow") == []
    assert train(tmp_path, "mlflow", step=10) == []
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("instar").experiment_id])
    assert [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, "G/gan")] == [
        (5, 0.5),
        (15, 0.5),
    ]
    assert run.data.params["name"] == "cut"
    assert run.info.status == "FINISHED"
    assert {one.path for one in client.list_artifacts(run.info.run_id, "samples")} == {
        "samples/step-000000005.png",
        "samples/step-000000015.png",
    }


def test_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    pytest.importorskip("wandb")
    assert train(tmp_path, "wandb") == []
    first = json.loads((tmp_path / IDS).read_text())["wandb"]
    assert train(tmp_path, "wandb", step=10) == []
    assert json.loads((tmp_path / IDS).read_text())["wandb"] == first
    records = list((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))
    assert {path.stem for path in records} == {f"run-{first}"}
    assert any(b"G/gan" in path.read_bytes() for path in records)
