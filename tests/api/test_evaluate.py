import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from evaluation.parts import data_set, extractor, noise

from instar.api.evaluate import evaluate, evaluate_folders
from instar.cli import main
from instar.cli.flags import spell
from instar.core.errors import UserError
from instar.core.events import Event, Worked

from .quiet import in_a_thread, quietly

Runs = Callable[..., Path]
COLOURS = "evaluation.parts:colours"


@pytest.mark.parametrize("name", ["cut", "munit"])
def test_it_finds_what_the_command_finds(
    run_directory: Runs, tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    data, run, out = data_set(tmp_path / "set"), run_directory(name), tmp_path / "scores.json"
    with quietly(capfd):
        report = evaluate(run, data, extractor=COLOURS)
        assert in_a_thread(lambda: evaluate(str(run), [str(data)], extractor=COLOURS)) == report
    assert main.run(["evaluate", str(run), str(data), "--extractor", COLOURS, "-o", str(out)]) == 0
    assert json.loads(out.read_text()) == json.loads(report.as_json())


def test_it_tells_what_it_does(run_directory: Runs, tmp_path: Path) -> None:
    events: list[Event] = []
    evaluate(run_directory("cyclegan"), data_set(tmp_path / "set", test=21), extractor=COLOURS, on_event=events.append)
    assert events == [
        Worked(what, done, 21) for what in ("real images", "copy of the input", "last") for done in (0, 20, 21)
    ]


def test_a_listener_that_raises_ends_the_work(run_directory: Runs, tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    def listen(event: Event) -> None:
        raise Enough

    with pytest.raises(Enough):
        evaluate(run_directory("cut"), data_set(tmp_path / "set"), extractor=COLOURS, on_event=listen)


def test_an_extractor_of_the_caller(run_directory: Runs, tmp_path: Path) -> None:
    data, run = data_set(tmp_path / "set"), run_directory("cut")
    own = replace(extractor(), name=COLOURS, resize="its own resize")
    assert evaluate(run, data, extractor=own).columns == evaluate(run, data, extractor=COLOURS).columns
    with pytest.raises(UserError, match=r"weights=x: this extractor has its weights; leave it out"):
        evaluate(run, data, extractor=own, weights="x")


def test_extras(run_directory: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))

    def refuse(*arguments: object, **_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.OpenerDirector.open", refuse)
    data = data_set(tmp_path / "set", test=5)
    report = evaluate(run_directory("munit"), data, extractor=COLOURS, diversity=True, size=48)
    assert "centre squares at 48 px" in report.protocol
    assert report.columns[1].scores[-1].name == "diversity"
    why = next(note for note in report.notes if "instead of LPIPS" in note)
    assert why.endswith("or name it with lpips_weights")
    assert why.spelled(spell).endswith("or name it with --lpips-weights")
    labels = evaluate(run_directory("cut"), data, extractor=COLOURS, palette="auto").columns[1].scores
    names = [score.name for score in labels if not score.name.startswith("IoU, ")]
    assert names[-3:] == ["label pixel accuracy", "label class accuracy", "label mean IoU"]
    with pytest.raises(UserError, match=r"palette=none.txt: cannot be read"):
        evaluate(run_directory("cut"), data, extractor=COLOURS, palette="none.txt")
    with pytest.raises(UserError, match="size must be at least 8, not 7"):
        evaluate(run_directory("cut"), data, extractor=COLOURS, size=7)


def test_without_an_extractor(run_directory: Runs, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="distances need an extractor: extractor=inception"):
        evaluate(run_directory("cut"), data_set(tmp_path / "set"), extractor=None)


def test_folders(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made, real, out = noise(tmp_path / "made", 6), noise(tmp_path / "real", 7), tmp_path / "scores.json"
    events: list[Event] = []
    with quietly(capfd):
        report = evaluate_folders(made, str(real), made, extractor=COLOURS, on_event=events.append)
        assert in_a_thread(lambda: evaluate_folders(made, real, made, extractor=COLOURS)) == report
    flags = ["--images", made, "--reference", real, "--inputs", made, "--extractor", COLOURS, "-o", out]
    assert main.run(["evaluate", *map(os.fspath, flags)]) == 0
    assert json.loads(out.read_text()) == json.loads(report.as_json())
    assert {event.what for event in events if isinstance(event, Worked)} == {
        *("real images", "copy of the input", "translations")
    }
    with pytest.raises(UserError, match="size must be at least 8"):
        evaluate_folders(made, real, extractor=COLOURS, size=0)
