"""A grid with real trainings: killed, stopped, gone on with, changed."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from engine.processes import draw, start

from instar.cli import main

fcntl = pytest.importorskip("fcntl")  # there is none on Windows

SPEC = """
out: runs
data: {drawn: drawn}
images: IMAGES
common: {preset: tiny, data: {validation: 8}, train: {save_every: 2, log_every: 2, preview_every: 1000}}
runs:
  cut:
  plain: {name: cut, method: {nce_x: 0.5}}
score: {extractor: "evaluation.parts:colours", every: 20}
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parent.parent), prepend=os.pathsep)  # the extractor
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    draw(tmp_path / "drawn", train=40, test=12)
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC.replace("IMAGES", "40"))
    return path


def wait_for_a_checkpoint(process: subprocess.Popen[str], run: Path) -> None:
    while not list(run.glob("checkpoints/step-*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def trainer_of(run: Path) -> int:
    """The process that trains a run."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it has ended meanwhile
            continue
        if b"train" in words and str(run).encode() in words:
            return int(folder.name)
    raise AssertionError(f"no process trains {run}")


def wait_until_let_go(log: Path) -> None:
    """Wait for a killed process to let go of its files: its last thread may still be ending when it is a zombie."""
    for _ in range(1000):
        with log.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                time.sleep(0.02)
            else:
                return
    raise AssertionError(f"{log} is still held")


def steps(run: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds the process in /proc")
def test_killed_gone_on_with_and_repeated(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = spec.parent / "runs/drawn"
    cut, plain = table / "cut/seed-0", table / "plain/seed-0"
    process = start(["benchmark", spec, "--allow-code"])
    wait_for_a_checkpoint(process, cut)
    orphan = trainer_of(cut)
    os.kill(orphan, signal.SIGSTOP)
    process.kill()
    process.communicate()

    # What the killed benchmark had started still holds its run; the other run is trained all the same.
    assert main.run(["benchmark", str(spec), "--allow-code"]) == 1
    out, err = capsys.readouterr()
    assert "failed: drawn/cut/seed-0 (exit code 2): another process is training it" in err
    assert "1 of 2 runs failed; try them again with: instar benchmark" in err
    assert re.search(r"^\| plain \| [^|]* \| 0 \| 40 \|", out, re.MULTILINE)
    assert "| cut |" not in out
    at = max(int(path.name[5:]) for path in cut.glob("checkpoints/step-*"))
    assert f"- cut, seed 0: step {at} of 40" in (table / "table.md").read_text()

    os.kill(orphan, signal.SIGKILL)
    wait_until_let_go(cut.with_suffix(".log"))
    before = (plain / "run.log").read_bytes()
    assert main.run(["benchmark", str(spec), "--allow-code"]) == 0
    out, err = capsys.readouterr()
    assert f"drawn/cut/seed-0: step {at} of 40" in err
    assert "drawn/cut/seed-0: done: step 40" in err
    assert "drawn/plain" not in err
    assert [step for step in steps(cut) if step % 20] == [step for step in steps(plain) if step % 20], "none twice"
    lines = [line.split("|")[1:8] for line in out.splitlines() if line.startswith("| ")]
    assert [line[0].strip() for line in lines[2:]] == [
        *("copy of the input", "real images"),
        *("cut", "cut: best on validation", "plain", "plain: best on validation"),
    ]
    peak = json.loads((cut / "checkpoints/step-000000040/training.json").read_text())["memory"]
    assert lines[4][5].strip() == f"{peak / 1e9:.2f} GB"
    assert 0.1e9 < peak < 4e9
    assert {path.name for path in table.iterdir()} == {
        *("cut", "plain", "table.md", "table.html", "scores.json", "strip-0.png", "strip-1.png")
    }

    first = (table / "scores.json").read_text()
    (table / "scores.json").unlink()
    assert main.run(["benchmark", str(spec), "--allow-code", "--only", "cut"]) == 0
    assert (table / "scores.json").read_text() == first
    assert (plain / "run.log").read_bytes() == before
    capsys.readouterr()

    assert main.run(["benchmark", str(spec), "--allow-code", "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == ["drawn/cut/seed-0: done", "drawn/plain/seed-0: done"]
    spec.write_text(SPEC.replace("IMAGES", "80"))
    assert main.run(["benchmark", str(spec), "--allow-code"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"instar: {cut} was trained with train.steps 40, and the spec now says 80: ")
    assert err.count("\n") == 1


def test_a_signal_is_passed_on(spec: Path) -> None:
    spec.write_text(SPEC.replace("IMAGES", "6000").replace("save_every: 2,", "save_every: 6000,"))
    run = spec.parent / "runs/drawn/cut/seed-0"
    process = start(["benchmark", spec, "--allow-code"])
    while not (run / "metrics.jsonl").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    (checkpoint,) = run.glob("checkpoints/step-*")
    step = int(checkpoint.name[5:])
    assert 0 < step < 6000
    assert "stopping: each training finishes its step and saves" in err
    assert f"drawn/cut/seed-0: stopped at step {step}; go on with" in err
    assert err.endswith(f"stopped; go on with: instar benchmark {spec} --allow-code\n")
    assert "failed" not in err
    assert out == "", "no table"
    assert not (run.parent.parent / "plain/seed-0").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--only", "cutt"], "--only cutt: no such run in .*; did you mean 'cut'?"),
        (["--jobs", "0"], "--jobs must be at least 1"),
        (["--threads", "0"], "--threads must be at least 1"),
        (["--jobs", "2", "--ray", "auto"], "--jobs is for this machine"),
    ],
)  # fmt: skip
def test_wrong_flags(flags: list[str], said: str, spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["benchmark", str(spec), "--allow-code", *flags]) == 2
    err = capsys.readouterr().err
    assert err.startswith("instar: " + said.split(".*", maxsplit=1)[0])
    assert err.endswith(said.rsplit(".*", maxsplit=1)[-1] + "\n") or ".*" not in said
    assert err.count("\n") == 1


def test_a_missing_extractor_is_found_before_the_training(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text(SPEC.replace("IMAGES", "40").replace("evaluation.parts:colours", "mobilenet"))
    assert main.run(["benchmark", str(spec), "--allow-code"]) == 2
    assert "mobilenet" in capsys.readouterr().err
    assert not (spec.parent / "runs").exists()
