"""Two processes at half the batch each equal one process at the full batch."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from engine.processes import draw, finish, logged, numbers, start

OPTIONS = {
    "cyclegan": ["--method.pool", 0],
    "cut": [],
    "pix2pix": ["--method.norm", "instance", "--method.dropout-at"],
}


@pytest.mark.parametrize("method", OPTIONS)
def test_two_equal_one(method: str, tmp_path: Path) -> None:
    data = draw(tmp_path / "data")
    runs = {}
    for devices in (1, 2):
        runs[devices] = tmp_path / f"run{devices}"
        flags = ["--preset", "tiny", "--steps", 4, "--batch", 4, "--train.log-every", 1, "--devices", devices]
        code, err = finish(["train", method, data, "-o", runs[devices], "--device", "cpu", *flags, *OPTIONS[method]])
        assert code == 0, err
    one, two = (logged(run) for run in runs.values())
    assert len(one) == len(two) == 4
    assert one[0] == pytest.approx(two[0], rel=1e-4, abs=1e-6), "the first step sees the same weights"
    for here, there in zip(one, two, strict=True):  # later ones those that Adam made of its rounding
        assert here == pytest.approx(there, rel=2e-2, abs=1e-4)
    last = "checkpoints/step-000000004/method.safetensors"
    weights_one, weights_two = load_file(runs[1] / last), load_file(runs[2] / last)
    # A bias before an instance norm has a gradient of rounding noise, which Adam blows up to whole steps.
    weights = [name for name in weights_one if name.endswith("weight")]
    assert len(weights) > 10
    for name in weights:  # root mean square: a single weight without gradient to speak of may go the other way
        difference = float((weights_one[name] - weights_two[name]).square().mean().sqrt())
        assert difference < 0.02 * 2e-4 * 4, f"{name}: {difference}, of 4 steps of 2e-4"


def test_resume_of_two_processes_is_exact(tmp_path: Path) -> None:
    """Each process has its own pool of fakes, so each must get its own back."""
    data, whole, cut = draw(tmp_path / "data"), tmp_path / "whole", tmp_path / "cut"
    flags = ["--preset", "tiny", "--batch", 2, "--devices", 2, "--train.save-every", 6, "--method.pool", 2]
    flags += ["--train.keep", 0, "--steps", 12, "--train.log-every", 1]
    code, err = finish(["train", "cyclegan", data, "-o", whole, *flags])
    assert code == 0, err
    (whole / "checkpoints").rename(tmp_path / "kept")
    (tmp_path / "kept" / "step-000000012").rename(tmp_path / "final")
    whole.rename(cut)
    (tmp_path / "kept").rename(cut / "checkpoints")
    expected = numbers(cut)
    code, err = finish(["train", "--resume", cut])
    assert code == 0, err
    assert numbers(cut) == expected
    for path in (tmp_path / "final").glob("*.safetensors"):
        assert (cut / "checkpoints" / "step-000000012" / path.name).read_bytes() == path.read_bytes(), path.name
    assert (tmp_path / "final" / "process-1.safetensors").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no locks and no such signals")
def test_one_training_at_a_time(tmp_path: Path) -> None:
    """Of several processes the first one owns the run; when all are killed, nobody does."""
    run, data = tmp_path / "run", draw(tmp_path / "data")
    flags = ["--preset", "tiny", "--batch", 2, "--devices", 2, "--steps", 100_000, "--train.save-every", 2]
    process = start(["train", "cut", data, "-o", run, *flags, "--device", "cpu"])
    while len(list((run / "checkpoints").glob("step-*"))) < 2 and process.poll() is None:
        time.sleep(0.02)
    code, err = finish(["train", "--resume", run])
    assert code == 2, err
    assert err.startswith(f"instar: {run}: another training is at work in it (process ")
    assert err.count("\n") == 1
    process.kill()
    process.communicate()
    for _ in range(600):  # the others end by themselves, once they see that the first has gone
        code, err = finish(["train", "--resume", run, "--steps", 1])
        if "another training" not in err:
            break
        time.sleep(0.1)
    assert "the run stands at step" in err


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_politely(number: signal.Signals, tmp_path: Path) -> None:
    """As Ctrl-C in a terminal, which the whole group gets, and as a scheduler, which knows the first process only."""
    run, data = tmp_path / "run", draw(tmp_path / "data")
    flags = ["--preset", "tiny", "--batch", 2, "--devices", 2, "--steps", 100_000, "--train.log-every", 3]
    process = start(["train", "cut", data, "-o", run, *flags], start_new_session=True)
    while not (run / "metrics.jsonl").exists() and process.poll() is None:
        time.sleep(0.02)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    (checkpoint,) = (run / "checkpoints").glob("step-*")
    step = int(checkpoint.name[5:])
    assert 0 < step < 100_000
    assert err.splitlines()[-1] == f"stopped at step {step}; go on with: instar train --resume {run}"
    assert (checkpoint / "process-1.safetensors").exists()
