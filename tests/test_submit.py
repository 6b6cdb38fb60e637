"""The example that submits a training, by submitit's executor for this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from engine.processes import draw, finish, logged, state

EXAMPLE = Path(__file__).resolve().parents[1] / "examples/submit.py"
SUBMIT = """
import runpy, sys, time
from pathlib import Path
import psutil, submitit
data, run, logs, example = map(Path, sys.argv[1:])
Training = runpy.run_path(str(example))["Training"]
executor = submitit.LocalExecutor(folder=logs)
executor.update_parameters(tasks_per_node=2, timeout_min=10)
training = Training(
    "cut", data, out=run, preset="tiny", batch=2, device="cpu", devices=2, steps=60,
    train={"log_every": 1, "save_every": 2},
)
job = executor.submit(training)
while not list((run / "checkpoints").glob("step-*")) and not job.done():
    time.sleep(0.02)
for task in psutil.Process(int(job.job_id)).children():
    task.send_signal(submitit.JobEnvironment._usr_sig())  # as Slurm before it takes the machines
job.results()
"""


def test_the_page_on_training_shows_the_example() -> None:
    page = EXAMPLE.parents[1] / "docs/training.md"
    assert f"```python\n{EXAMPLE.read_text()}```" in page.read_text()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_a_job_that_is_interrupted_ends_with_the_same_bits(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    data, run, logs = draw(tmp_path / "data"), tmp_path / "run", tmp_path / "logs"
    command = [sys.executable, "-c", SUBMIT, *map(str, (data, run, logs, EXAMPLE))]
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=500, check=False
    )
    said = "".join(path.read_text() for path in sorted(logs.glob("*_log.*")))
    assert done.returncode == 0, done.stderr + said
    assert "Requeued job" in said
    flags = ["--preset", "tiny", "--batch", 2, "--device", "cpu", "--train.log-every", 1, "--train.save-every", 2]
    code, err = finish(["train", "cut", data, "-o", tmp_path / "plain", *flags, "--devices", 2, "--steps", 60])
    assert code == 0, err
    assert state(run) == state(tmp_path / "plain")
    assert logged(run) == logged(tmp_path / "plain")
