"""Processes that somebody else has started, on one machine or on several."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine.processes import draw, finish, logged, start, state
from instar.core.config import TrainConfig
from instar.core.errors import UserError
from instar.engine import parallel

FLAGS = ["--preset", "tiny", "--batch", 2, "--device", "cpu", "--train.log-every", 1]


def port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def torchrun(rank: int, world: int, here: str) -> dict[str, str]:
    """What torchrun sets for the only process of a machine."""
    found = {"RANK": rank, "WORLD_SIZE": world, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1, "GROUP_RANK": rank}
    return {**{key: str(value) for key, value in found.items()}, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": here}


def slurm(rank: int, world: int, here: str) -> dict[str, str]:
    """What srun sets for it."""
    found = {"PROCID": rank, "NTASKS": world, "LOCALID": 0, "NODEID": rank, "NNODES": world, "JOB_ID": 7}
    words = {"SLURM_NODELIST": "127.0.0.1", "SLURM_JOB_NAME": "train", "MASTER_PORT": here}
    return {**{f"SLURM_{key}": str(value) for key, value in found.items()}, **words}


def nodes(arguments: list[Any], launcher: Any, world: int = 2) -> list[subprocess.Popen[str]]:
    here = port()
    return [start(arguments, **launcher(rank, world, here)) for rank in range(world)]


@pytest.mark.parametrize("launcher", [torchrun, pytest.param(slurm, marks=pytest.mark.slow)])
def test_two_machines_end_as_two_processes_of_one(launcher: Any, tmp_path: Path) -> None:
    """The same command on both; bit for bit, pools and banks included."""
    data = draw(tmp_path / "data")
    flags = [*FLAGS, "--devices", 2, "--steps", 4]
    done = [
        one.communicate(timeout=300) for one in nodes(["train", "cut", data, "-o", tmp_path / "two", *flags], launcher)
    ]
    assert "done: step 4" in done[0][1]
    assert done[1] == ("", ""), "the first one speaks for all"
    code, err = finish(["train", "cut", data, "-o", tmp_path / "one", *flags])
    assert code == 0, err
    assert state(tmp_path / "two") == state(tmp_path / "one")
    assert set(state(tmp_path / "two")) >= {"method.safetensors", "process-1.safetensors"}
    assert logged(tmp_path / "two") == logged(tmp_path / "one")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize("dies", [0, 1])
def test_a_machine_that_dies_ends_the_others_in_a_line(dies: int, tmp_path: Path) -> None:
    """And the run goes on from its last checkpoint with the machines that are left."""
    data, run = draw(tmp_path / "data"), tmp_path / "run"
    flags = [*FLAGS, "--devices", 2, "--steps", 100_000, "--train.save-every", 2]
    both = nodes(["train", "cut", data, "-o", run, *flags], torchrun)
    while not list((run / "checkpoints").glob("step-*")) and both[0].poll() is None:
        time.sleep(0.02)
    both[dies].send_signal(signal.SIGKILL)
    began = time.monotonic()
    _, err = both[1 - dies].communicate(timeout=120)
    assert time.monotonic() - began < 60
    both[dies].communicate()
    assert both[1 - dies].returncode == 2, err
    last = err.splitlines()[-1]
    assert last.startswith(
        f"instar: process {2 - dies} of 2 has lost another one, which has ended or cannot be reached ("
    )
    assert last.endswith(f"); go on with: instar train --resume {run}")
    assert "Traceback" not in err
    step = int(max((run / "checkpoints").glob("step-*")).name[5:])
    code, err = finish(["train", "--resume", run, "--devices", 1, "--steps", step + 2])
    assert code == 0, err
    assert f"step-{step:09d} is of 2 process(es), now there are 1: each gets its own pools and banks" in err
    assert not list(max((run / "checkpoints").glob("step-*")).glob("process-*"))


def test_what_was_started_must_be_what_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in torchrun(0, 4, "29500").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=r"^devices=2: 4 processes were started; give devices=4$"):
        parallel.check_devices(TrainConfig(device="cpu", devices=2, batch=4))
    assert parallel.check_devices(TrainConfig(device="cpu", devices=4, batch=4)) == "cpu"
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    with pytest.raises(UserError, match=r"^devices=4: start as many processes on each machine$"):
        parallel.check_devices(TrainConfig(device="cpu", devices=4, batch=4))


def test_a_machine_that_does_not_come(tmp_path: Path) -> None:
    """The others wait for it, but not for ever."""
    environment = torchrun(1, 2, port())  # the first one, which they would ask, is not there
    arguments = ["train", "cut", str(draw(tmp_path / "data")), "-o", str(tmp_path / "run"), *map(str, FLAGS)]
    code = (
        "import datetime, sys, torch.distributed as d\n"
        "from instar.cli.main import main\n"
        "old = d.init_process_group\n"
        "d.init_process_group = lambda *a, **k: old(*a, **{**k, 'timeout': datetime.timedelta(seconds=2)})\n"
        f"sys.argv[1:] = {arguments}\n"
        "sys.argv += ['--devices', '2', '--steps', '2']\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    assert (
        "--devices 2: the other processes were not there in time or cannot be reached (" in done.stderr.splitlines()[-1]
    )
