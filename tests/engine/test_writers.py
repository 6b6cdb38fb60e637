import io
import json
import os
import re
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from engine.heard import Heard
from instar.cli.flags import spell
from instar.core import tensors
from instar.core.errors import UserError, call
from instar.core.events import Logged, Pictured, Scored, Started, Watched, note, warning
from instar.core.objective import Objective, term
from instar.core.run import checkpoints, find_checkpoint, load_method
from instar.engine.meter import Meter
from instar.engine.trainer import Trainer
from instar.engine.writers import Board, Log, Metrics, Writer
from instar.testing.runs import build, source_for, tiny, trainer

ONE = Fabric(accelerator="cpu", devices=1)


def test_meter_gives_means_of_terms_totals_and_norms() -> None:
    meter = Meter()
    for value in (1.0, 3.0):
        loss = 2.0 * term("a", torch.tensor(value)) + term("b", torch.tensor(10.0))
        meter.add(Objective("G", (), loss), loss.total(), torch.tensor(value))
    kept = json.loads(json.dumps(meter.state()))
    assert meter.read(ONE) == {"G/a": 2.0, "G/b": 10.0, "G/total": 14.0, "G/grad_norm": 2.0}
    assert meter.read(ONE) == {}
    again = Meter()
    again.load(kept, torch.device("cpu"))
    assert again.read(ONE)["G/a"] == 2.0


def logged(step: int, **values: float) -> Logged:
    return Logged(step, values, seconds=1.0, images_per_second=2.0)


def begun(run: Path, step: int = 0) -> Started:
    return Started(run, "cut", step, 20, 1, "cpu")


def written(play: Trainer, heard: Heard) -> list[Writer]:
    """All writers, listening to a trainer."""
    writers = [kind(play.run, play.listeners) for kind in (Log, Metrics, Board)]
    play.listeners.add(*writers, heard)
    return writers


def test_metrics_go_on_after_a_step(tmp_path: Path) -> None:
    rows = [{"step": step, "G/a": step / 2} for step in (5, 10, 15)]
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 20, "G')
    write = Metrics(tmp_path, Heard())
    write(begun(tmp_path, 10))
    write(logged(15, **{"G/a": 99.0}))
    write(Scored(15, {"validation/KID": 0.5}))
    write(Watched(15, {"b": {"spots": 0.5}}))
    write(Watched(15, {"a": {"spots": 0.0}, "b": {"spots": 0.5, "contrast": 1.0}}))
    new = {"step": 15, "seconds": 1.0, "images_per_second": 2.0, "G/a": 99.0}
    found = [json.loads(line) for line in path.read_text().splitlines()]
    each = {"held-out/spots to a": 0.0, "held-out/spots to b": 0.5, "held-out/contrast to b": 1.0}
    assert found == [
        *rows[:2],
        new,
        {"step": 15, "validation/KID": 0.5},
        {"step": 15, "held-out/spots": 0.5},
        {"step": 15, "held-out/spots": 0.25, "held-out/contrast": 1.0, **each},
    ]


def test_the_log_has_the_time_and_the_level_and_is_spelled_as_asked(tmp_path: Path) -> None:
    for speller in ({}, {"speller": spell}):
        write = Log(tmp_path, Heard(), **speller)
        write(note(f"go on with {call('resume', 'runs/a')}"))
    write(warning("odd"))
    lines = (tmp_path / "run.log").read_text().splitlines()
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
    assert re.fullmatch(rf"{stamp} INFO go on with instar.resume\('runs/a'\)", lines[0])
    assert re.fullmatch(rf"{stamp} INFO go on with instar train --resume runs/a", lines[1])
    assert re.fullmatch(rf"{stamp} WARNING odd", lines[2])


def test_a_log_that_fails_does_not_stop_the_run(tmp_path: Path) -> None:
    config = tiny("pix2pix", {"steps": 4, "log_every": 1, "preview_every": 2})
    run, heard = tmp_path / "run", Heard()
    for folder in ("metrics.jsonl", "run.log"):
        (run / folder).mkdir(parents=True)  # cannot be appended to
    (run / "tensorboard").write_text("in the way")
    (run / "samples").write_text("in the way too")
    play = trainer(config, run, build(config), source_for(config))
    written(play, heard)
    assert play.fit()
    for name in ("metrics.jsonl", "TensorBoard", "run.log"):
        assert sum(line.startswith(f"{name} cannot be written any more") for line in heard.warnings) == 1, name
    assert any("sample picture of step 2" in line for line in heard.warnings)
    assert [event.path for event in heard.of(Pictured)] == [None, None, None]
    assert checkpoints(run)


def test_tensorboard_holds_the_terms_and_the_pictures(tmp_path: Path) -> None:
    config, heard = tiny("cut", {"steps": 2, "log_every": 1, "preview_every": 2}), Heard()
    play = trainer(config, tmp_path, build(config), source_for(config))
    _, _, board = written(play, heard)
    play.fit()
    assert isinstance(board, Board)
    board.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    found = [event.value for event in events.Scalars("G/nce_x")]
    assert found == pytest.approx([event.values["G/nce_x"] for event in heard.of(Logged)])
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert found == pytest.approx([row["G/nce_x"] for row in rows])
    assert [event.step for event in events.Images("samples")] == [0, 2]
    for shown, told in zip(events.Images("samples"), heard.of(Pictured), strict=True):
        assert told.path is not None
        with Image.open(io.BytesIO(shown.encoded_image_string)) as one, Image.open(told.path) as other:
            assert (np.asarray(one) == told.picture).all()
            assert (np.asarray(other)[:, : told.picture.shape[1]] == told.picture).all()  # labels follow


def test_a_board_that_fails_says_it_once_and_has_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """TensorBoard's own writer prints a traceback from a thread."""
    heard, there = Heard(), threading.enumerate()
    with closing(Board(tmp_path, heard)) as write:
        write(begun(tmp_path))
        write(logged(1, **{"G/a": 1.0}))
        assert threading.enumerate() == there

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("tensorboard.summary.writer.record_writer.RecordWriter.write", full)
        for step in (2, 3):
            write(logged(step, **{"G/a": 2.0}))
    assert [line for line in heard.warnings if "No space left" in line] == heard.warnings
    assert len(heard.warnings) == 1
    assert capfd.readouterr() == ("", "")
    (file,) = (tmp_path / "tensorboard").iterdir()
    assert [event.step for event in accumulated(tmp_path).Scalars("G/a")] == [1]
    assert file.name.startswith("events.out.tfevents.")


def accumulated(run: Path) -> EventAccumulator:
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return events


def test_steps_after_the_one_that_a_run_goes_on_from_are_not_shown_any_more(tmp_path: Path) -> None:
    for start, value in ((0, 1.0), (2, 5.0)):
        with closing(Board(tmp_path, Heard())) as write:
            write(begun(tmp_path, start))
            for step in range(start + 1, 5 if start == 0 else 4):
                write(logged(step, **{"G/a": value}))
    found = [(event.step, event.value) for event in accumulated(tmp_path).Scalars("G/a")]
    assert found == [(1, 1.0), (2, 1.0), (3, 5.0)]


def test_the_last_checkpoints_are_kept(tmp_path: Path) -> None:
    config = tiny("pix2pix", {"steps": 7, "save_every": 2, "keep": 2})
    trainer(config, tmp_path, build(config), source_for(config)).fit()
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000000006", "step-000000007"]
    assert find_checkpoint(tmp_path).name == "step-000000007"
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".pt", ".pth", ".pkl", ".bin")]


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny("pix2pix", {"steps": 4, "save_every": 2})
    play = trainer(config, tmp_path, build(config), source_for(config))
    written = []

    def full(content: dict[str, torch.Tensor], path: Path) -> None:
        written.append(path.name)
        if len(written) > 4:
            raise OSError(28, "No space left on device")
        real(content, path)

    real = tensors.save_file
    monkeypatch.setattr(tensors, "save_file", full)
    with pytest.raises(UserError, match=r"step 4 could not be written.*No space left.*instar\.resume\("):
        play.fit()
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000000002"]
    method, _ = load_method(tmp_path)
    assert all(bool(weight.isfinite().all()) for weight in method.state_dict().values())


def test_cutting_the_metrics_never_empties_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends the rewriting, all rows are there before and after it."""
    path = tmp_path / "metrics.jsonl"
    whole = "".join(json.dumps({"step": step}) + "\n" for step in range(1000))
    path.write_text(whole)
    inode = path.stat().st_ino
    Metrics(tmp_path, Heard())(begun(tmp_path, 1000))
    assert path.stat().st_ino == inode, "nothing is rewritten where nothing is to be cut"
    heard, seen = Heard(), []

    def killed(_: int) -> None:
        seen.append(path.read_text())
        raise OSError(5, "as a kill would")

    monkeypatch.setattr(os, "fsync", killed)
    Metrics(tmp_path, heard)(begun(tmp_path, 500))
    assert seen == [whole]
    assert path.read_text() == whole
    assert "metrics.jsonl cannot be written any more" in heard.warnings[0]
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    Metrics(tmp_path, Heard())(begun(tmp_path, 500))
    assert path.read_text().count("\n") == 501


@pytest.mark.parametrize("name", ["metrics.jsonl", "run.log"])
def test_writers_follow_no_links(name: str, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    run, heard = tmp_path / "run", Heard()
    run.mkdir()
    (run / name).symlink_to(tmp_path / "theirs")
    write = Metrics(run, heard) if name == "metrics.jsonl" else Log(run, heard)
    write(logged(1) if name == "metrics.jsonl" else note("hello"))
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert f"{name} cannot be written any more" in heard.warnings[0]
    assert "link to another place" in heard.warnings[0]
