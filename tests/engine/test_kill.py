"""A run that is killed and resumed ends bit for bit as if it had never been killed: with real processes."""

import json
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from engine.processes import draw, finish, numbers, start, state

STEPS = 60


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return draw(tmp_path / "data")


def flags(data: Path, run: Path) -> list[object]:
    few = ["--train.save-every", 2, "--train.log-every", 3, "--train.preview-every", 10, "--method.pool", 4]
    return ["train", "cyclegan", data, "-o", run, "--preset", "tiny", "--steps", STEPS, "--seed", 3, *few]


def test_killed_at_any_moment(data: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    code, err = finish(flags(data, whole))
    assert code == 0, err

    chance = random.Random(time.time_ns())
    waits = [kill_in_checkpoint, lambda p, run: kill_after(p, run, chance.uniform(0.0, 0.3)), kill_in_checkpoint]
    halfway = []
    arguments = flags(data, killed)
    for wait in waits:
        process = start(arguments)
        wait(process, killed)
        assert process.returncode == -signal.SIGKILL, process.communicate()
        halfway.append(last_step(killed))
        arguments = ["train", "--resume", killed]
    assert halfway[-1] < STEPS, "the kills came too late to show anything"
    code, err = finish(arguments)
    assert code == 0, err

    assert state(killed) == state(whole)
    assert {"method.safetensors", "averages.safetensors", "optimizers.safetensors"} <= set(state(whole))
    assert numbers(killed) == numbers(whole)
    assert not list((killed / "checkpoints").glob(".*")), "rests of interrupted checkpoints are swept away"
    for picture in (whole / "samples").glob("*.png"):
        assert (killed / "samples" / picture.name).read_bytes() == picture.read_bytes()


def kill_in_checkpoint(process: subprocess.Popen[str], run: Path) -> None:
    """Kill while a checkpoint lies half-written; if it was finished in between, wait for the next one."""
    folder = run / "checkpoints"
    before = last_step(run)
    while process.poll() is None:
        partial = list(folder.glob(".step-*")) if last_step(run) > before else []
        if partial:
            process.kill()
            process.wait()
            assert list(folder.glob(".*")) or last_step(run) < STEPS
            return
    pytest.fail(f"the run ended before it could be killed: {process.communicate()}")


def kill_after(process: subprocess.Popen[str], run: Path, seconds: float) -> None:
    """Kill some time after the first new checkpoint."""
    before = last_step(run)
    while last_step(run) == before and process.poll() is None:
        time.sleep(0.002)
    time.sleep(seconds)
    process.kill()
    process.wait()


def last_step(run: Path) -> int:
    return max((int(path.name[5:]) for path in (run / "checkpoints").glob("step-*")), default=0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_stopped_politely(number: signal.Signals, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start([*flags(data, run)[:-6], "--steps", 5000, "--train.save-every", 5000, "--train.log-every", 3])
    while not (run / "metrics.jsonl").exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    step = last_step(run)
    assert 0 < step < 5000, "the step was finished and saved"
    assert f"stopped at step {step}; go on with: instar train --resume" in " ".join(err.split())
    training = json.loads((run / "checkpoints" / f"step-{step:09d}" / "training.json").read_text())
    assert training["step"] == step
