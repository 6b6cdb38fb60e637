"""Trainings as processes: real ones, most of them quick commands."""

import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from engine.processes import draw

from instar.core.errors import UserError
from instar.sweeps.launch import Child, Outcome, Training, run_here, run_on_ray

METHODS, WRONG = ("methods", "--help"), ("trian",)
NEVER = threading.Event()


def training(folder: Path, name: str, *arguments: str) -> Training:
    return Training(name, arguments, folder / name / "log")


def test_one_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    said: list[str] = []
    found = run_here(
        [training(tmp_path, "a", *WRONG), training(tmp_path, "b", "--version")], 1, None, said.append, NEVER
    )
    wrong = "instar: there is no command 'trian'; did you mean 'train'?"
    assert found[0] == Outcome("a", 2, wrong)
    assert (found[1].title, found[1].code, found[1].stopped) == ("b", 0, False)
    assert said == [f"a: {wrong}", f"b: {found[1].said}"]
    assert (tmp_path / "a/log").read_text() == f"{wrong}\n"


def test_only_new_lines_are_shown_and_only_whole_ones(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/log").write_text("of an earlier try\n")
    child = Child(training(tmp_path, "a", *WRONG), None)
    child.process.wait()
    with (tmp_path / "a/log").open("a") as log:
        log.write("\nhalf")
    assert [line[:10] for line in child.lines()] == ["instar: th"]
    with (tmp_path / "a/log").open("a") as log:
        log.write(" and half\n")
    assert child.lines() == ["half and half"]
    assert child.said == "half and half"
    child.output.close()


@pytest.fixture
def sleepy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A command that says its threads and goes on for a minute, found in place of `instar.cli`."""
    package = tmp_path / "stand-in/instar"
    (package / "cli").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "cli/__init__.py").touch()
    code = "import os, time; print('threads', os.environ.get('OMP_NUM_THREADS'), flush=True); time.sleep(60)"
    (package / "cli/__main__.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    return "sleep"


def test_two_processes_do_not_train_the_same_run(sleepy: str, tmp_path: Path) -> None:
    first = Child(training(tmp_path, "a", sleepy), None)
    with pytest.raises(UserError, match=r"another process is training it; what it prints is in .*log"):
        Child(training(tmp_path, "a", sleepy), None)
    (outcome,) = run_here([training(tmp_path, "a", sleepy)], 1, None, print, NEVER)
    assert (outcome.code, outcome.stopped) == (2, False)
    first.process.kill()
    first.process.wait()
    second = Child(training(tmp_path, "a", sleepy), None)
    second.process.kill()
    second.process.wait()
    for child in (first, second):
        child.output.close()


def test_side_by_side_until_it_is_stopped(sleepy: str, tmp_path: Path) -> None:
    said: list[str] = []
    stop = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        if len(said) == 2:  # both have started
            stop.set()

    began = time.monotonic()
    names = ("a", "b", "c")
    found = run_here([training(tmp_path, name, sleepy) for name in names], 2, 3, say, stop)
    assert time.monotonic() - began < 50
    assert sorted(said[:2]) == ["a: threads 3", "b: threads 3"]
    assert said[2] == "stopping: each training finishes its step and saves"
    assert {(one.title, one.code, one.stopped) for one in found} == {
        ("a", -signal.SIGTERM, True),
        ("b", -signal.SIGTERM, True),
        ("c", 130, True),
    }
    assert not (tmp_path / "c").exists()


def test_without_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"ray needs the library Ray: pip install '\.\[ray\]'"):
        run_on_ray([training(tmp_path, "a", *METHODS)], "local", None, print, NEVER)


@pytest.mark.slow
def test_on_a_cluster_of_one_machine(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    trainings = [training(tmp_path, "a", *WRONG), training(tmp_path, "b", "--version")]
    found = {one.title: one for one in run_on_ray(trainings, "local", 1, print, NEVER)}
    assert (found["a"].code, found["a"].said[:34]) == (2, "instar: there is no command 'trian")
    assert found["b"].code == 0
    with pytest.raises(UserError, match="ray=auto: no cluster could be reached or started"):
        run_on_ray(trainings, "auto", None, print, NEVER)


@pytest.mark.slow
def test_a_stop_reaches_the_machines_of_a_cluster(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    data, run, stop = draw(tmp_path / "data"), tmp_path / "run", threading.Event()

    def when_it_trains() -> None:
        while not (run / "metrics.jsonl").is_file():
            time.sleep(0.1)
        stop.set()

    threading.Thread(target=when_it_trains, daemon=True).start()
    few = ["--preset", "tiny", "--steps", "6000", "--train.log-every", "2", "--train.save-every", "6000"]
    trains = training(tmp_path, "a", "train", "cut", str(data), "-o", str(run), *few)
    (found,) = run_on_ray([trains], "local", 1, print, stop)
    assert found.stopped
    (checkpoint,) = run.glob("checkpoints/step-*")
    assert 0 < int(checkpoint.name[5:]) < 6000, "the step was finished and saved"
