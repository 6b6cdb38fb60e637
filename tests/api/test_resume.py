"""Going on with a run: only as the same run, from whole files, by one training at a time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from engine.heard import Heard
from engine.processes import draw, logged, numbers, state
from PIL import Image

import instar
from instar.api.directory import owned
from instar.core.errors import UserError
from instar.core.events import Event, Noted, Stepped
from instar.core.run import checkpoints, read_config

OFTEN: dict[str, Any] = {"save_every": 2, "log_every": 1, "preview_every": 10, "keep": 0}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set and a run of six steps on it: copy it."""
    folder = tmp_path_factory.mktemp("original")
    draw(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSTAR_CACHE", str(tmp_path_factory.mktemp("cache")))
        instar.train("pix2pix", folder / "data", out=folder / "run", preset="tiny", steps=6, device="cpu", train=OFTEN)
    return folder


@pytest.fixture
def run(original: Path, tmp_path: Path) -> Path:
    """A run at step 4 of 6, with its own copy of the images."""
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    run = tmp_path / "run"
    shutil.rmtree(run / "checkpoints" / "step-000000006")
    change(run, lambda config: config["data"].update(roots=[str(tmp_path / "data")]))
    return run


def change(run: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    edit(config)
    (run / "config.yaml").write_text(yaml.safe_dump(config))


def notes(heard: Heard) -> str:
    return "\n".join(str(event.text) for event in heard.of(Noted))


def test_moved_images_are_the_same_images_and_the_step_is_said(original: Path, run: Path) -> None:
    heard = Heard()
    for path in (run.parent / "data").rglob("*.png"):
        os.utime(path, (1, 1))
    assert instar.resume(run, on_event=heard).finished
    assert "goes on from step 4 of 6" in notes(heard)
    assert state(run) == state(original / "run")
    assert numbers(run) == numbers(original / "run")


def added(data: Path) -> None:
    for side in "AB":
        shutil.copy(data / f"train{side}" / "0000.png", data / f"train{side}" / "9999.png")


def removed(data: Path) -> None:
    for side in "AB":
        (data / f"train{side}" / "0003.png").unlink()


def changed(data: Path) -> None:
    path = data / "trainA" / "0003.png"
    with Image.open(path) as image:
        other = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    other.save(path)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (added, r"A: 1 added \(9999\.png\); B: 1 added \(9999\.png\)"),
        (removed, r"A: 1 removed \(0003\.png\); B: 1 removed \(0003\.png\)"),
        (changed, r"A: 1 changed \(0003\.png\) \(since step 4\)"),
    ],
)
def test_other_images_are_another_run(edit: Callable[[Path], None], said: str, run: Path) -> None:
    edit(run.parent / "data")
    with pytest.raises(UserError, match=rf"images of .*run have changed: {said}.*allow_changes=True\)") as caught:
        instar.resume(run)
    assert "\n" not in str(caught.value)
    heard = Heard()
    assert instar.resume(run, allow_changes=True, on_event=heard).finished
    assert any("have changed" in line for line in heard.warnings)
    assert instar.resume(run).finished, "the new images are those of the new checkpoint"


def test_other_settings_are_another_run(run: Path) -> None:
    change(run, lambda config: config["train"].update(seed=7, save_every=3))
    with pytest.raises(UserError, match=r"config\.yaml: seed was 0, is 7 \(since step 4\)") as caught:
        instar.resume(run)
    assert "save_every" not in str(caught.value)
    assert instar.resume(run, allow_changes=True).finished
    assert read_config(checkpoints(run)[-1] / "config.yaml").train.seed == 7


def test_lengthened(run: Path) -> None:
    assert instar.resume(run).finished
    heard = Heard()
    instar.resume(run, on_event=heard)
    assert f"the run is at its end, step 6; to lengthen it: instar.resume('{run}', steps=12)" in notes(heard)
    result = instar.resume(run, steps=8)
    assert (result.step, result.steps, result.finished) == (8, 8, True)
    assert read_config(run / "config.yaml").train.steps == 8
    assert [row["step"] for row in logged(run)] == [1, 2, 3, 4, 5, 6, 7, 8]
    with pytest.raises(UserError, match="steps=5: the run stands at step 8 already"):
        instar.resume(run, steps=5)
    assert read_config(run / "config.yaml").train.steps == 8, "what was refused is not written down"


def test_from_an_earlier_checkpoint(original: Path, run: Path) -> None:
    """A damaged newest one is named with the last whole one; going on from there ends with the same bits."""
    shutil.copytree(original / "run" / "checkpoints" / "step-000000006", run / "checkpoints" / "step-000000006")
    damaged = run / "checkpoints" / "step-000000006" / "optimizers.safetensors"
    content = bytearray(damaged.read_bytes())
    content[-5] ^= 1
    damaged.write_bytes(content)
    whole = run / "checkpoints" / "step-000000004"
    with pytest.raises(UserError, match=rf"{damaged}: damaged.*last whole checkpoint is {whole};.*resume\('{whole}'\)"):
        instar.resume(run)
    heard = Heard()
    assert instar.resume(whole, on_event=heard).finished
    assert f"set aside: {run}/checkpoints/set-aside-step-000000006" in notes(heard)
    assert (run / "checkpoints" / "set-aside-step-000000006").is_dir()
    assert state(run) == state(original / "run")
    assert numbers(run) == numbers(original / "run")


def test_one_training_at_a_time(run: Path) -> None:
    """Over threads of a process and over processes; a lock that a killed one has left is none."""
    refused: list[str] = []

    def second(event: Event) -> None:
        if isinstance(event, Stepped):
            with pytest.raises(UserError) as caught:
                instar.resume(run)
            refused.append(str(caught.value))

    assert instar.resume(run, on_event=second).finished
    holder = f"process {os.getpid()} on {os.uname().nodename}"
    assert refused == [f"{run}: another training is at work in it ({holder}); wait, or stop it"] * 2
    holder = "import sys, time, pathlib; from instar.api.directory import owned\n"
    holder += "with owned(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", holder, str(run)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(UserError, match=rf"another training is at work in it \(process {process.pid} "):
        instar.resume(run)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (run / ".lock").exists()
    instar.resume(run)


def test_two_new_runs_in_one_directory(run: Path, tmp_path: Path) -> None:
    """Both found it empty; one of them is at work when the other comes to write."""
    out = tmp_path / "new"
    out.mkdir()
    flags: dict[str, Any] = {"preset": "tiny", "steps": 1, "device": "cpu"}
    with owned(out), pytest.raises(UserError, match="another training is at work"):
        instar.train("pix2pix", run.parent / "data", out=out, **flags)
    (out / ".instar-0123456789abcdef.tmp").write_text("of a config.yaml whose writing was killed")
    assert instar.train("pix2pix", run.parent / "data", out=out, **flags).finished
    with pytest.raises(UserError, match="exists already"):
        instar.train("pix2pix", run.parent / "data", out=out, **flags)


@pytest.mark.parametrize("how", ["moved", "deleted", "another", "a link"])
def test_a_directory_that_vanishes_stops_the_training_at_once(how: str, run: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    shutil.copytree(run, tmp_path / "other")

    def vanish(event: Event) -> None:
        if isinstance(event, Stepped):
            seen.append(event.step)
            if how == "deleted":
                shutil.rmtree(run)
            else:
                run.rename(tmp_path / "elsewhere")
            if how == "another":
                shutil.copytree(tmp_path / "elsewhere", run)
            elif how == "a link":
                run.symlink_to("other")

    with pytest.raises(UserError, match=r"moved or deleted while it was trained, at step 6;.*resume\("):
        instar.resume(run, on_event=vanish)
    assert seen == [5]
    assert run.exists() == (how in ("another", "a link"))
    assert not (run / "checkpoints" / "step-000000006").exists()


def test_code_in_a_config_runs_only_if_it_is_allowed(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stranger.py").write_text("import pathlib; pathlib.Path('PWNED').touch()\n")
    monkeypatch.chdir(tmp_path)
    for code in ("os:system=touch PWNED", "stranger:Net"):
        change(run, lambda config: config["train"].update(score_every=1, score_with=code))  # noqa: B023
        for begin in (
            lambda: instar.resume(run),
            lambda: instar.train(config=run / "config.yaml", out=tmp_path / "again"),
            lambda: instar.train(config=read_config(run / "config.yaml"), out=tmp_path / "again"),
        ):
            with pytest.raises(UserError, match=rf"score_with={code} is code that would be run;.* allow_code=True"):
                begin()
    assert not (tmp_path / "PWNED").exists()
    assert not (tmp_path / "again").exists()
    assert "stranger" not in sys.modules
    with pytest.raises(UserError, match="stranger"):  # what the user allows is run: the file holds no Net
        instar.resume(run, allow_code=True)
    assert (tmp_path / "PWNED").exists()
    sys.modules.pop("stranger", None)


def test_a_call_names_its_own_code(run: Path, tmp_path: Path) -> None:
    change(run, lambda config: config["train"].update(score_with="os:system"))
    inception: dict[str, Any] = {"score_with": "inception"}
    assert instar.train(config=run / "config.yaml", out=tmp_path / "again", steps=1, train=inception).finished


def test_a_stop_before_the_first_checkpoint_of_a_resumed_run_loses_no_row(run: Path) -> None:
    stop = threading.Event()
    stop.set()
    before = numbers(run)
    assert not instar.resume(run, stop=stop).finished
    assert numbers(run) == [row for row in before if row["step"] <= 4]
