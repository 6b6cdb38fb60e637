"""Training from Python, as a script, a thread or a notebook would."""

from __future__ import annotations

import inspect
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from engine.heard import Heard
from engine.processes import draw, numbers, state
from PIL import Image

import instar
from instar.cli import main
from instar.core.errors import SHORT as SHORT_NAMES
from instar.core.errors import UserError
from instar.core.events import Event, Finished, Logged, Noted, Pictured, Saved, Scored, Started, Stepped, Worked
from instar.core.run import read_config

SHORT: dict[str, Any] = {"preset": "tiny", "steps": 4, "device": "cpu"}
OFTEN = {"save_every": 2, "log_every": 1, "preview_every": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("drawn") / "data")


def test_ten_lines(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Train, stop, resume and use a model, and print nothing."""
    stop = threading.Event()
    first = instar.train(
        "pix2pix", data, out=tmp_path / "run", **SHORT, on_event=lambda event: stop.set() if ended(event, 3) else None,
        stop=stop,
    )  # fmt: skip
    assert (first.step, first.finished) == (3, False)
    result = instar.resume(first.run)
    assert (result.step, result.steps, result.finished, result.method) == (4, 4, True, "pix2pix")
    assert result.checkpoint == tmp_path / "run/checkpoints/step-000000004"
    assert result.samples == tmp_path / "run/samples/step-000000004.png"
    assert {"G/l1", "D/real", "G/total"} <= set(result.terms)
    assert all(isinstance(value, float) for value in result.terms.values())
    assert result.scores == {}
    assert result.seconds > first.seconds > 0
    assert str(result.notes[-1]).endswith(f"translate with: instar.translate('{tmp_path}/run')")
    assert str(first.notes[-1]) == f"stopped at step 3; go on with: instar.resume('{tmp_path}/run')"
    instar.train("pix2pix", data, out=tmp_path / "bf16", **SHORT, precision="bf16")
    with Image.open(data / "testA" / "0012.png") as image:
        assert instar.load(result.run, "cpu").translate(image).size == image.size
    assert capfd.readouterr() == ("", "")


def ended(event: Event, step: int) -> bool:
    return isinstance(event, Stepped) and event.step == step


def test_the_arguments_are_the_flags(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run from Python and one from the command line are the same, bit for bit."""
    monkeypatch.chdir(data.parent)
    settings: dict[str, Any] = {"method": {"nce_x": 2, "optim": {"lr": 1e-3}}, "data": {"flip": False}}
    instar.train("cut", "data", out=tmp_path / "here", **SHORT, seed=np.int64(3), **settings, train={"ema": 5})
    flags = "--preset tiny --steps 4 --device cpu --seed 3 --method.nce-x 2 --method.optim.lr 1e-3 --data.no-flip"
    arguments = ["train", "cut", str(data), "-o", str(tmp_path / "there"), *flags.split(), "--train.ema", "5"]
    assert main.run(arguments) == 0
    here, there = tmp_path / "here", tmp_path / "there"
    assert state(here) == state(there)
    assert numbers(here) == numbers(there)
    assert (here / "config.yaml").read_bytes() == (there / "config.yaml").read_bytes()


def test_all_short_flags_are_parameters() -> None:
    parameters = inspect.signature(instar.train).parameters
    assert set(SHORT_NAMES.values()) <= set(parameters)
    assert {"preset", "method", "data", "train", "config", "out", "on_event", "stop"} <= set(parameters)


def test_settings_of_a_run_again(data: Path, tmp_path: Path) -> None:
    """By config.yaml, by RunConfig, and with another seed."""
    first = instar.train("cut", data, out=tmp_path / "first", **SHORT)
    by_path = instar.train(config=first.run / "config.yaml", out=tmp_path / "path")
    by_value = instar.train(config=read_config(first.run / "config.yaml"), out=tmp_path / "value")
    other = instar.train(config=first.run / "config.yaml", out=tmp_path / "other", seed=1, method={"nce_x": 3})
    assert state(first.run) == state(by_path.run) == state(by_value.run) != state(other.run)
    there = yaml.safe_load((other.run / "config.yaml").read_text())
    assert (there["train"]["seed"], there["train"]["steps"], there["method"]["nce_x"]) == (1, 4, 3)
    with pytest.raises(UserError, match=r"^config holds the method, the images and the preset: give no others$"):
        instar.train("cut", config=first.run / "config.yaml", out=tmp_path / "no")


def test_a_class_and_a_path_object(data: Path, tmp_path: Path) -> None:
    one = instar.train(instar.get("cut"), [data], out=str(tmp_path / "one"), **SHORT)
    two = instar.train("cut", (data / "trainA", data / "trainB"), out=tmp_path / "two", **SHORT)
    assert one.method == two.method == "cut"
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two"}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "name": ({"stps": 4}, "there is no setting 'stps'; did you mean 'steps'?"),
    "place": ({"nce_x": 4}, "there is no setting 'nce_x' here; give it as method={'nce_x': ...}"),
    "train": ({"train": {"sed": 4}}, "there is no setting train.sed; did you mean 'seed'?"),
    "nested": ({"method": {"optim": {"holt": 1}}}, "there is no setting method.optim.holt; did you mean 'hold'?"),
    "text": ({"steps": "many"}, "steps must be a whole number, not 'many'"),
    "fraction": ({"steps": 1.5}, "steps must be a whole number, not 1.5"),
    "truth": ({"batch": True}, "batch must be a whole number, not True"),
    "number": ({"method": {"nce_x": "high"}}, "method.nce_x must be a number, not 'high'"),
    "switch": ({"data": {"flip": 1}}, "data.flip must be True or False, not 1"),
    "choice": ({"precision": "16"}, "precision must be 'auto' or '32' or 'bf16', not '16'"),
    "pair": ({"method": {"optim": {"betas": 0.5}}}, "method.optim.betas must be a list of 2, each a number, not 0.5"),
    "path": ({"train": {"start_from": 3}}, "train.start_from must be a path or None, not 3"),
    "bounds": ({"steps": 0}, "steps must be at least 1, not 0"),
    "mapping": ({"method": 3}, "method must be a mapping of settings, not 3"),
    "twice": ({"train": {"steps": 3}}, "steps is given twice: as steps and in train"),
    "roots": ({"data": {"roots": "x"}}, "data.roots: give the images as second argument"),
    "preset": ({"preset": "tini"}, "cut has no preset 'tini'; did you mean 'tiny'?"),
    "size": ({"size": 8}, "size must be between 24 and 16384, not 8"),
    "share": ({"batch": 3, "devices": 2}, "batch=3 cannot be shared equally by devices=2"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_used(case: str, data: Path, tmp_path: Path) -> None:
    given, said = WRONG[case]
    with pytest.raises(UserError) as error:
        instar.train("cut", data, out=tmp_path / "run", **{**SHORT, **given})
    assert str(error.value) == said
    assert list(tmp_path.iterdir()) == []


def test_methods_and_places_that_cannot_be_used(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no method 'cot'; did you mean 'cut'"):
        instar.train("cot", data, out=tmp_path / "run")
    with pytest.raises(UserError, match="no method given; there is: bicyclegan, cogan, cut"):
        instar.train(out=tmp_path / "run")
    with pytest.raises(UserError, match="no data set given"):
        instar.train("cut", out=tmp_path / "run", **SHORT)
    with pytest.raises(
        UserError, match=rf"exists already; go on with `instar\.resume\('{data}'\)` or choose another out"
    ):
        instar.train("cut", data, out=data, **SHORT)
    with pytest.raises(UserError, match="not a run directory"):
        instar.resume(data)
    assert list(tmp_path.iterdir()) == []


def test_what_a_value_may_be(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """32 for "32", a name for a list of one, numpy's numbers, relative paths."""
    first = instar.train("cut", data, out=tmp_path / "first", **SHORT)
    monkeypatch.chdir(tmp_path)
    given = {"start_from": "first", "start_with": "G", "clip": np.float32(1)}
    second = instar.train("cut", data, out="second", **SHORT, precision=32, train=given)  # type: ignore[arg-type]
    config = read_config(tmp_path / "second/config.yaml").train
    assert config.start_from == tmp_path / "first/checkpoints/step-000000004"
    assert (config.start_with, config.clip, config.precision) == (("G",), 1.0, "32")
    assert any(str(line).startswith("networks of ") for line in second.notes)
    assert first.method == second.method


def around() -> dict[str, Any]:
    """What a library must leave as it was."""
    manager = logging.Logger.manager.loggerDict
    loggers = {name: list(one.handlers) for name, one in manager.items() if isinstance(one, logging.Logger)}
    random_state = np.random.get_state()
    return {
        "torch": torch.get_rng_state().tolist(),
        "cuda": [one.tolist() for one in torch.cuda.get_rng_state_all()] if torch.cuda.is_available() else [],
        "numpy": (random_state[1].tolist(), random_state[2:]),  # type: ignore[index, union-attr]
        "python": random.getstate(),
        "handlers": {name: found for name, found in loggers.items() if found},
        "root": list(logging.getLogger().handlers),
        "level": logging.getLogger("instar").level,
        "signals": {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)},
        "flags": (
            torch.get_num_threads(),
            torch.get_float32_matmul_precision(),
            torch.backends.cudnn.benchmark,
            torch.are_deterministic_algorithms_enabled(),
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
        ),
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "folder": Path.cwd(),
        "threads": {thread.name for thread in threading.enumerate() if "instar" in thread.name},
        "files": open_files(),
    }


def open_files() -> list[str]:
    there = Path("/proc/self/fd")
    return sorted(str(path.readlink()) for path in there.iterdir() if path.exists()) if there.is_dir() else []


def test_nothing_is_left_behind(data: Path, tmp_path: Path) -> None:
    """After one training, which imports what it needs, several more change nothing in the process."""
    instar.train("cut", data, out=tmp_path / "first", **SHORT)
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    before = around()
    for name in ("munit", "cut"):
        run = tmp_path / name
        instar.train(name, data, out=run, **SHORT, train=OFTEN)
        shutil.rmtree(run / "checkpoints/step-000000004")
        instar.resume(run)
    with pytest.raises(UserError):
        instar.train("cut", data, out=tmp_path / "wrong", **SHORT, batch=100)
    instar.load(tmp_path / "munit", "cpu")
    after = around()
    assert {key for key in before if before[key] != after[key]} == set()


def test_the_first_training_of_a_process_leaves_chance_alone(data: Path, tmp_path: Path) -> None:
    """With all imports in it: what comes from the caller's seed is the same with a training in between."""
    code = """
import logging, random, signal, sys
import numpy, torch
import instar
random.seed(3); numpy.random.seed(3); torch.manual_seed(3)
handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
if sys.argv[1] == "yes":
    instar.train("cut", sys.argv[2], out=sys.argv[3], preset="tiny", steps=2, device="cpu")
assert handlers == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
assert not logging.getLogger().handlers and not logging.getLogger("instar").handlers
print(random.random(), numpy.random.rand(), torch.rand(2).tolist(), torch.randperm(5).tolist())
"""
    said = []
    for answer in ("no", "yes"):
        command = [sys.executable, "-c", code, answer, data, tmp_path / "run"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        assert done.stderr == ""
        said.append(done.stdout)
    assert said[0] == said[1]
    assert (tmp_path / "run/checkpoints/step-000000002").is_dir()


def test_two_at_once_are_as_each_alone(data: Path, tmp_path: Path) -> None:
    """Two trainings in two threads, of methods that draw noise, while a third thread waits for nothing of theirs."""
    names = ("munit", "pix2pix")
    for name in names:
        instar.train(name, data, out=tmp_path / f"{name}-alone", **{**SHORT, "steps": 8}, train=OFTEN)
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    failed: list[BaseException] = []
    heard = {name: Heard() for name in names}

    def work(name: str) -> None:
        try:
            settings = {**SHORT, "steps": 8}
            instar.train(name, data, out=tmp_path / f"{name}-both", **settings, train=OFTEN, on_event=heard[name])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert torch.equal(torch.rand(3), expected)
    for name in names:
        alone, both = tmp_path / f"{name}-alone", tmp_path / f"{name}-both"
        assert state(alone) == state(both), name
        assert numbers(alone) == numbers(both), name
        for picture in (alone / "samples").glob("*.png"):
            assert (both / "samples" / picture.name).read_bytes() == picture.read_bytes()
        assert [event.step for event in heard[name].of(Stepped)] == list(range(1, 9))
        assert {event.run for event in heard[name].of(Started)} == {both}


def test_events_in_order(data: Path, tmp_path: Path) -> None:
    heard = Heard()
    instar.train("cut", data, out=tmp_path / "run", **SHORT, train=OFTEN, on_event=heard)
    told = [f"{type(event).__name__} {event.step}" for event in heard if not isinstance(event, (Noted, Worked))]
    assert told == [
        *("Started 0", "Pictured 0", "Stepped 1", "Logged 1", "Stepped 2", "Logged 2", "Pictured 2", "Saved 2"),
        *("Stepped 3", "Logged 3", "Stepped 4", "Logged 4", "Pictured 4", "Watched 4", "Saved 4", "Finished 4"),
    ]  # fmt: skip
    (started,) = heard.of(Started)
    assert (started.run, started.method, started.steps, started.batch) == (tmp_path / "run", "cut", 4, 1)
    *rows, measured = numbers(tmp_path / "run")
    assert [{"step": event.step, **event.values} for event in heard.of(Logged)] == rows
    assert all(name == "step" or name.startswith("held-out/") for name in measured)
    assert all(one.seconds < two.seconds for one, two in pairwise(heard.of(Logged)))
    assert [event.path for event in heard.of(Saved)] == [
        tmp_path / f"run/checkpoints/step-00000000{step}" for step in (2, 4)
    ]
    for event in heard.of(Pictured):
        assert event.path is not None
        with Image.open(event.path) as image:
            assert (np.asarray(image)[:, : event.picture.shape[1]] == event.picture).all()  # labels follow
    (finished,) = heard.of(Finished)
    assert finished.reached
    lines = [line.split(" INFO ")[1] for line in (tmp_path / "run/run.log").read_text().splitlines()]
    assert lines == [str(event.text) for event in heard.of(Noted)]


def test_a_stop_from_another_thread(data: Path, tmp_path: Path) -> None:
    stop, begun = threading.Event(), threading.Event()
    results = []

    def listen(event: Event) -> None:
        if ended(event, 2):
            begun.set()

    def work() -> None:
        settings = {**SHORT, "steps": 100_000}
        results.append(instar.train("cut", data, out=tmp_path / "run", **settings, stop=stop, on_event=listen))

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(60)
    stop.set()
    thread.join(60)
    (result,) = results
    assert not result.finished
    assert result.step >= 2
    assert result.checkpoint is not None
    assert result.checkpoint.name == f"step-{result.step:09d}"


def test_stopped_before_the_first_step(data: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    result = instar.train("cut", data, out=tmp_path / "run", **SHORT, stop=stop)
    assert (result.step, result.finished, result.checkpoint) == (0, False, None)
    assert instar.resume(tmp_path / "run").finished


@pytest.mark.parametrize("kind", [Started, Stepped, Logged, Pictured, Saved, Noted])
def test_a_listener_that_fails_stops_the_run_and_loses_nothing(kind: type, data: Path, tmp_path: Path) -> None:
    whole = instar.train("munit", data, out=tmp_path / "whole", **SHORT, train=OFTEN)

    def fail(event: Event) -> None:
        if isinstance(event, kind) and getattr(event, "step", 2) in (0, 2):
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        instar.train("munit", data, out=tmp_path / "cut", **SHORT, train=OFTEN, on_event=fail)
    assert instar.resume(tmp_path / "cut").finished
    assert state(tmp_path / "cut") == state(whole.run)
    assert numbers(tmp_path / "cut") == numbers(whole.run)


def test_unreadable_images_are_in_the_notes(tmp_path: Path) -> None:
    data = draw(tmp_path / "data", train=30)
    (data / "trainA/0003.png").write_bytes(b"nothing")
    result = instar.train("cut", data, out=tmp_path / "run", **SHORT)
    assert any("unreadable" in line and "0003.png" in line for line in result.notes)
    assert "WARNING 1 unreadable file(s) left out:" in (result.run / "run.log").read_text()


def test_scores(tmp_path: Path) -> None:
    """What is scored on validation images is told and returned, and scoring changes no weight."""
    data, heard = draw(tmp_path / "many", train=30), Heard()
    validation = {"validation": 8}
    plain = instar.train("munit", data, out=tmp_path / "plain", **SHORT, data=validation)
    scoring = {"score_every": 2, "score_with": "evaluation.parts:colours"}
    result = instar.train("munit", data, out=tmp_path / "run", **SHORT, data=validation, train=scoring, on_event=heard)
    assert [event.step for event in heard.of(Scored)] == [2, 4]
    assert result.scores == heard.of(Scored)[-1].scores
    assert next(iter(result.scores)).startswith("validation/")
    assert state(plain.run) == state(result.run)


def test_the_result_says_what_it_is() -> None:
    documented = instar.TrainResult.__doc__ or ""
    assert all(f"\n        {field.name}: " in documented for field in fields(instar.TrainResult))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": {"width": 60_000}}, "Pix2Pix with these settings takes more than"),
        ({"batch": 10**12}, "12 training images, fewer than batch=1000000000000"),
        ({"train": {"clip": float("nan")}}, "train.clip must be a finite number, not nan"),
        ({"data": {"zoom": float("inf")}}, "data.zoom must be a finite number, not inf"),
    ],
)
def test_impossible_settings(settings: dict[str, Any], said: str, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said) as error:
        instar.train("pix2pix", data, out=tmp_path / "run", **SHORT, **settings)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="mapped files cannot be cut short there")
def test_a_cache_that_is_cut_short_while_it_trains(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSTAR_CACHE", str(tmp_path / "cache"))

    def cut(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 5:
            for path in (tmp_path / "cache").rglob("pixels.bin"):
                os.truncate(path, 100)

    with pytest.raises(UserError, match="cut short while it was in use; it will be made anew"):
        instar.train("pix2pix", data, out=tmp_path / "run", preset="tiny", steps=60, device="cpu", on_event=cut)
    (saved,) = (tmp_path / "run" / "checkpoints").iterdir()
    assert saved.name >= "step-000000005"
    assert instar.resume(tmp_path / "run").finished
