import io
import json
from pathlib import Path

import pytest
import torch
from contract.playing import build, silent, source_for, tiny, trainer
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from instar.core.errors import UserError
from instar.core.objective import Objective, term
from instar.core.run import checkpoints, find_checkpoint, load_method
from instar.engine import checkpoint, progress
from instar.engine.log import Meter, Writers


def test_meter_gives_means_of_terms_totals_and_norms() -> None:
    meter = Meter()
    for value in (1.0, 3.0):
        loss = 2.0 * term("a", torch.tensor(value)) + term("b", torch.tensor(10.0))
        meter.add(Objective("G", (), loss), torch.tensor(value))
    kept = json.loads(json.dumps(meter.state()))
    assert meter.read() == {"G/a": 2.0, "G/b": 10.0, "G/total": 14.0, "G/grad_norm": 2.0}
    assert meter.read() == {}
    again = Meter()
    again.load(kept, torch.device("cpu"))
    assert again.read()["G/a"] == 2.0


def test_writers_go_on_after_a_step(tmp_path: Path) -> None:
    rows = [{"step": step, "G/a": step / 2} for step in (5, 10, 15)]
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 20, "G')
    writers = Writers(tmp_path, 10)
    writers.numbers({"step": 15, "G/a": 99.0})
    writers.close()
    assert [json.loads(line) for line in path.read_text().splitlines()] == [*rows[:2], {"step": 15, "G/a": 99.0}]
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_a_log_that_fails_does_not_stop_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = tiny("pix2pix", {"steps": 4, "log_every": 1, "preview_every": 2})
    run = tmp_path / "run"
    (run / "metrics.jsonl").mkdir(parents=True)  # cannot be appended to
    (run / "tensorboard").write_text("in the way")
    (run / "samples").write_text("in the way too")
    with caplog.at_level("WARNING", "instar"):
        assert trainer(config, run, build(config), source_for(config)).fit(silent())
    said = [record.getMessage() for record in caplog.records]
    assert sum(line.startswith("metrics.jsonl cannot be written") for line in said) == 1
    assert sum(line.startswith("TensorBoard cannot be written") for line in said) == 1
    assert any("sample picture of step 2" in line for line in said)
    assert checkpoints(run)


def test_events_hold_the_terms_and_the_pictures(tmp_path: Path) -> None:
    config = tiny("cut", {"steps": 2, "log_every": 1, "preview_every": 2})
    trainer(config, tmp_path, build(config), source_for(config)).fit(silent())
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    logged = [event.value for event in events.Scalars("G/nce_x")]
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert logged == pytest.approx([row["G/nce_x"] for row in rows])
    assert [event.step for event in events.Images("samples")] == [0, 2]


def test_the_last_checkpoints_are_kept(tmp_path: Path) -> None:
    config = tiny("pix2pix", {"steps": 7, "save_every": 2, "keep": 2})
    trainer(config, tmp_path, build(config), source_for(config)).fit(silent())
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000000006", "step-000000007"]
    assert find_checkpoint(tmp_path).name == "step-000000007"
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".pt", ".pth", ".pkl", ".bin")]


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny("pix2pix", {"steps": 4, "save_every": 2})
    play = trainer(config, tmp_path, build(config), source_for(config))
    written = []

    def full(tensors: dict[str, torch.Tensor], path: Path) -> None:
        written.append(path.name)
        if len(written) > 4:
            raise OSError(28, "No space left on device")
        real(tensors, path)

    real = checkpoint.save_file
    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(UserError, match=r"step 4 could not be written.*No space left.*--resume"):
        play.fit(silent())
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000000002"]
    method, _ = load_method(tmp_path)
    assert all(bool(weight.isfinite().all()) for weight in method.state_dict().values())


def test_the_line_says_when_the_loader_is_the_bottleneck(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    with progress.bar(Console(file=out, width=200), steps=100, start=0, batch=4) as shown:
        shown.terms({"G/gan": 0.5, "G/total": 9.0, "G/grad_norm": 3.0})
        now[0] += 40
        shown.step(10, waited=1.0)
        now[0] += 40
        shown.step(20, waited=21.0)
    first, second = out.getvalue().splitlines()
    assert first == "step 10/100  1.0 images/s  6 min to go  G/gan 0.5"
    assert second == "step 20/100  1.0 images/s  5 min to go  waiting for data  G/gan 0.5"


def test_a_pause_does_not_look_like_slowness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten steps a second; the first line falls due in a pause of two seconds, as a picture takes."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    with progress.bar(Console(file=out, width=200), steps=1000, start=0, batch=4) as shown:
        for step in range(1, 601):
            now[0] += 2.1 if step == 290 else 0.1
            shown.step(step, waited=0.05 * step)
    first, second = out.getvalue().splitlines()
    assert first.startswith("step 290/1000  37.4 images/s  1 min to go  waiting for data")
    assert second.startswith("step 591/1000  37.5 images/s  1 min to go  waiting for data")
