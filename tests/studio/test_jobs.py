"""Trainings are found by their locks: here processes that hold these stand for them."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from reports import viewed

from instar.core.errors import UserError
from instar.core.run import owner
from instar.studio.jobs import LOGS, Jobs
from instar.studio.root import Root

HOLDER = """
import os, socket, sys, time
from instar.core.files import lock
file = open(sys.argv[1], "r+b") if os.path.exists(sys.argv[1]) else open(sys.argv[1], "w+b")
assert lock(file)
file.write(f"process {os.getpid()} on {sys.argv[2] or socket.gethostname()}\\n".encode())
file.flush()
print("held", flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def held(file: Path, host: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process that has a file locked."""
    command = [sys.executable, "-c", HOLDER, str(file), host]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    (tmp_path / "runs").mkdir()
    return Jobs(Root(tmp_path))


def log(jobs: Jobs, name: str, text: str = "") -> Path:
    folder = jobs.root.own / LOGS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{quote(name, safe='')}.log"
    path.write_text(text)
    return path


def test_a_run_that_nobody_trains(jobs: Jobs) -> None:
    viewed.make(jobs.root.path / "runs" / "first")
    (status,) = jobs.all()
    assert (status.name, status.state, status.method) == ("runs/first", "stopped", "CycleGAN")
    assert (status.step, status.steps, status.seconds, status.said) == (4, 10, None, "")
    with pytest.raises(UserError, match="no training is at work"):
        jobs.stop("runs/first")


def test_a_run_that_has_reached_its_end(jobs: Jobs) -> None:
    viewed.make(jobs.root.path / "first", steps=10)
    assert [status.state for status in jobs.all()] == ["finished"]


def test_a_training_of_another_process_is_found_and_stopped(jobs: Jobs) -> None:
    run = viewed.make(jobs.root.path / "runs" / "first")
    with held(run / ".lock") as process:
        assert owner(run) == f"process {process.pid} on {socket.gethostname()}"
        (status,) = jobs.all()
        assert status.state == "training"
        assert status.seconds == pytest.approx(30 * 6), "6 steps to go, 30 seconds each"
        jobs.stop("runs/first")
        assert process.wait(30) == -15
    assert jobs.all()[0].state == "stopped"


def test_a_training_of_another_machine_is_left_alone(jobs: Jobs) -> None:
    run = viewed.make(jobs.root.path / "runs" / "first")
    with held(run / ".lock", "elsewhere") as process:
        with pytest.raises(UserError, match="on elsewhere trains there"):
            jobs.stop("runs/first")
        assert process.poll() is None


def test_a_process_that_does_not_hold_the_lock_is_not_asked(jobs: Jobs) -> None:
    """The number in the lock may by now be that of another program."""
    run = viewed.make(jobs.root.path / "runs" / "first")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as other:
        with held(run / ".lock") as process:
            text = (run / ".lock").read_text().replace(str(process.pid), str(other.pid))
            with (run / ".lock").open("r+") as file:
                file.write(text)
                file.truncate()
            with pytest.raises(UserError, match="cannot be asked to stop"):
                jobs.stop("runs/first")
        assert other.poll() is None
        other.kill()


def test_what_was_begun_and_has_no_run_yet(jobs: Jobs) -> None:
    path = log(jobs, "runs/first")
    with held(path):
        assert [(one.name, one.state) for one in jobs.all()] == [("runs/first", "starting")]
    path.write_text("drawing\ninstar: --size 48: these networks take 32 px\nmore\n")
    (status,) = jobs.all()
    assert (status.state, status.said) == ("failed", "--size 48: these networks take 32 px")
    path.write_text("")
    assert jobs.all()[0].said == "it ended before it could begin"


def test_a_run_that_ended_by_an_error_says_why(jobs: Jobs) -> None:
    viewed.make(jobs.root.path / "runs" / "first")
    log(jobs, "runs/first", "one\ninstar: the disk is full\n")
    assert jobs.all()[0].said == "the disk is full"
    log(jobs, "runs/first", "one\nstopped at step 4\n")
    assert jobs.all()[0].said == ""


def test_damaged_runs_do_not_hide_the_others(jobs: Jobs) -> None:
    viewed.make(jobs.root.path / "runs" / "first")
    bad = viewed.make(jobs.root.path / "runs" / "second")
    (bad / "config.yaml").write_text("name: [")
    good = viewed.make(jobs.root.path / "runs" / "third")
    (good / "metrics.jsonl").write_bytes(b"\xff[1]\n{}\n3\n")
    found = {status.name: status for status in jobs.all()}
    assert len(found) == 3
    assert "not YAML" in found["runs/second"].said
    assert found["runs/third"].step == 0


def test_a_process_that_cannot_train_says_why(jobs: Jobs) -> None:
    (jobs.root.path / "empty").mkdir()
    run = jobs.root.path / "runs" / "first"
    jobs.start(run, ["quick", str(jobs.root.path / "empty"), "-o", str(run), "--preset", "tiny"])
    with pytest.raises(UserError, match="another training is at work"):
        jobs.start(run, ["quick"])
    end = time.monotonic() + 120
    while jobs.all()[0].state == "starting" and time.monotonic() < end:
        time.sleep(0.2)
    (status,) = jobs.all()
    assert status.state == "failed"
    assert "empty" in status.said
    assert not run.exists()
