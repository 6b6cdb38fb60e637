"""Several processes from Python: what they tell, how they are stopped, and what happens when one of them dies."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from engine.heard import Heard
from engine.processes import draw, logged, state

import instar
from instar.core.config import TrainConfig
from instar.core.errors import UserError
from instar.core.events import Event, Finished, Logged, Pictured, Saved, Started, Stepped
from instar.engine.parallel import from_outside
from instar.methods.cut import CUT

TWO: dict[str, Any] = {"preset": "tiny", "device": "cpu", "devices": 2, "batch": 2}
LONG = {"steps": 100_000}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("drawn") / "data")


def workers(of: int | None = None) -> dict[int, int]:
    """Process ids of the workers that a process has started, by rank."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_text() if folder.name.isdigit() else ""
            if "instar.api.worker" not in command:
                continue
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            environment = dict(
                part.split("=", 1) for part in (folder / "environ").read_text().split("\0") if "=" in part
            )
        except (OSError, ValueError):  # it has just ended
            continue
        if parent == (of or os.getpid()) and "RANK" in environment:
            found[int(environment["RANK"])] = int(folder.name)
    return found


@pytest.fixture(autouse=True)
def none_is_left() -> Any:
    yield
    assert workers() == {}
    assert [thread.name for thread in threading.enumerate() if thread.name == "instar-worker"] == []


def test_it_tells_the_same_as_one_process(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """In a thread, with the listener called in that thread, and again from its config.yaml."""
    heard, callers, results = Heard(), set(), []
    often = {"save_every": 2, "log_every": 1, "preview_every": 2}

    def listen(event: Event) -> None:
        callers.add(threading.get_ident())
        heard(event)

    def work() -> None:
        results.append(
            instar.train("cyclegan", data, out=tmp_path / "run", steps=4, **TWO, train=often, on_event=listen)
        )

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert callers == {thread.ident}
    assert capfd.readouterr() == ("", "")
    (result,) = results
    assert (result.step, result.finished, result.method) == (4, True, "cyclegan")
    assert [event.step for event in heard.of(Stepped)] == [1, 2, 3, 4]
    assert [event.step for event in heard.of(Saved)] == [2, 4]
    assert heard.of(Started)[0].batch == 2
    assert heard.of(Pictured)[0].picture.shape[-1] == 3
    assert [{"step": event.step, **event.values} for event in heard.of(Logged)] == logged(result.run)
    assert "2 process(es)" in (result.run / "run.log").read_text()
    again = instar.train(config=result.run / "config.yaml", out=tmp_path / "again")
    assert state(again.run) == state(result.run)
    assert "process-1.safetensors" in state(result.run)


def test_wrong_settings_and_images_are_one_error(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^method\.nce_x must be a number"):
        instar.train("cut", data, out=tmp_path / "run", **TWO, method={"nce_x": "no"})
    with pytest.raises(UserError, match="there is no such folder"):
        instar.train("cut", data / "gone", out=tmp_path / "run", **TWO)
    assert not (tmp_path / "run").exists()


def test_a_stop_and_a_listener_that_fails(data: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    result = instar.train(
        "cut", data, out=tmp_path / "stopped", **TWO, **LONG, stop=stop,
        on_event=lambda event: stop.set() if isinstance(event, Stepped) else None,
    )  # fmt: skip
    assert not result.finished
    assert result.checkpoint is not None
    assert result.checkpoint.name == f"step-{result.step:09d}"

    heard = Heard()

    def fail(event: Event) -> None:
        heard(event)
        if isinstance(event, Stepped):
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        instar.train("cut", data, out=tmp_path / "failed", **TWO, **LONG, on_event=fail)
    assert len(heard.of(Stepped)) == 1
    assert heard.of(Finished) == []
    assert list((tmp_path / "failed/checkpoints").glob("step-*"))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_process_that_dies_ends_the_others(data: Path, tmp_path: Path) -> None:
    def kill(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 3:
            os.kill(workers()[1], signal.SIGKILL)

    start = time.monotonic()
    run = tmp_path / "run"
    with pytest.raises(
        UserError, match=r"^process 2 of 2 was ended by SIGKILL.*; the others were ended too; go on"
    ) as it:
        instar.train("cut", data, out=run, **TWO, **LONG, on_event=kill, train={"save_every": 2})
    assert time.monotonic() - start < 60
    assert "\n" not in str(it.value)
    assert str(it.value).endswith(f"go on with: instar.resume('{run}')")
    stop = threading.Event()
    stop.set()
    assert instar.resume(run, stop=stop).step >= 2


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_one_who_started_them_dies_they_save_and_end(number: int, data: Path, tmp_path: Path) -> None:
    code = (
        f"import instar; instar.train('cut', {str(data)!r}, out='run', **{ {**TWO, **LONG} }, train=dict(log_every=1))"
    )
    caller = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.DEVNULL)
    run = tmp_path / "run"
    until((run / "metrics.jsonl").exists)
    mine = workers(caller.pid)
    assert set(mine) == {0, 1}
    caller.send_signal(number)
    caller.wait()
    until(lambda: not any(Path(f"/proc/{process}/cmdline").exists() for process in mine.values()))
    (checkpoint,) = (run / "checkpoints").glob("step-*")
    step = int(checkpoint.name[5:])
    assert 0 < step < LONG["steps"]
    assert f"stopped at step {step}" in (run / "run.log").read_text().splitlines()[-1]
    assert {path.name for path in checkpoint.glob("process-*")} == {"process-1.safetensors"}


def until(ready: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.02)


def test_a_class_that_others_cannot_import(data: Path, tmp_path: Path) -> None:
    class Mine(CUT):  # type: ignore[misc]
        """Made in a function, as in a notebook."""

    with pytest.raises(UserError, match=r"^devices=2: other processes cannot import the class .*Mine; put it into a"):
        instar.train(Mine, data, out=tmp_path / "run", **TWO)
    assert list(tmp_path.iterdir()) == []


def test_a_launcher_from_outside_is_seen(data: Path, tmp_path: Path) -> None:
    """Under torchrun each process trains its part, and none starts others."""
    code = f"""
import instar
result = instar.train("cut", {str(data)!r}, out="run", steps=4, **{TWO})
assert result.finished == True
"""
    (tmp_path / "script.py").write_text(code)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    alone = instar.train("cut", data, out=tmp_path / "spawned", steps=4, **TWO)
    assert state(tmp_path / "run") == state(alone.run)


def test_who_was_started_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    two, one = TrainConfig(batch=2, devices=2), TrainConfig()
    assert not from_outside(two)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert from_outside(two)
    assert not from_outside(one)
    monkeypatch.delenv("LOCAL_RANK")
    monkeypatch.setenv("SLURM_NTASKS", "1")  # a notebook in an allocation
    assert not from_outside(two)
    monkeypatch.setenv("SLURM_NTASKS", "2")
    monkeypatch.setenv("SLURM_JOB_NAME", "train")
    assert from_outside(two)


def test_events_can_be_sent(tmp_path: Path) -> None:
    assert pickle.loads(pickle.dumps(Saved(3, tmp_path))) == Saved(3, tmp_path)
