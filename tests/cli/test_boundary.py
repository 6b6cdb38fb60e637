import errno
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from engine.processes import draw

from instar.cli import boundary, main
from instar.cli.boundary import BUG, MACHINE


def running(
    error: BaseException,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str = "check",
) -> tuple[int, str]:
    """Run a command that ends with an error; return the exit code and what stderr says."""

    def run(_: Sequence[str]) -> int:
        raise error

    monkeypatch.setattr(main.importlib, "import_module", lambda _: SimpleNamespace(run=run))
    code = main.run([command])
    return code, capsys.readouterr().err


def allocator_error() -> RuntimeError:
    """What PyTorch raises where the memory is not enough."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    return caught.value


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "out of memory; give fewer or smaller images"),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
            "out of memory; give fewer or smaller images",
        ),
        (OSError(errno.ENOSPC, "No space left on device", "a/b.png"), "a/b.png: No space left on device"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (RecursionError("maximum recursion depth exceeded"), "a file is nested too deeply"),
        (RuntimeError("can't start new thread"), "no more threads can be started"),
    ],
)
def test_a_machine_that_gives_out_is_one_line(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = running(error, monkeypatch, capsys)
    assert code == MACHINE
    assert said.startswith(f"instar: {line}")
    assert said.count("\n") == 1


def test_the_allocator_of_the_cpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = running(allocator_error(), monkeypatch, capsys)
    assert (code, said.count("\n")) == (MACHINE, 1)


def test_other_words_for_a_full_memory(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = running(RuntimeError("could not create a primitive"), monkeypatch, capsys)
    assert (code, said.count("\n")) == (MACHINE, 1)
    assert said.startswith("instar: out of memory")


def test_an_error_of_its_own_is_no_failed_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = running(KeyError("x"), monkeypatch, capsys)
    assert code == BUG
    assert "Traceback" in said
    assert said.splitlines()[-1].startswith("instar: this is an error of Instar (KeyError); please report it")


@pytest.mark.parametrize(
    ("command", "advice"),
    [("train", "a smaller --batch or --size, or a --preset"), ("translate", "--tile auto, a lower --size")],
)
def test_what_takes_less_memory(
    command: str, advice: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = running(allocator_error(), monkeypatch, capsys, command)
    assert (code, said.count("\n")) == (MACHINE, 1)
    assert advice in said
    assert "--device cpu" not in said


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert running(KeyboardInterrupt(), monkeypatch, capsys) == (130, "instar: interrupted\n")


LIMITED = """
import resource, sys
import instar.api.session
from instar.cli import boundary, main
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 900 * 2**20,) * 2)
sys.exit(main.run(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs limits and /proc")
def test_a_training_that_needs_more_memory_than_there_is(tmp_path: Path) -> None:
    data, run = draw(tmp_path / "data"), tmp_path / "run"
    flags = ["--preset", "tiny", "--size", "512", "--batch", "8", "--method.width", "64", "--device", "cpu"]
    command = [sys.executable, "-c", LIMITED, "train", "pix2pix", str(data), "-o", str(run), *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == MACHINE, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("instar: out of memory; give a smaller --batch or --size")
    assert "--device cpu" not in last


def test_no_memory_even_for_the_words(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def no_memory(*_: object) -> int:
        raise MemoryError

    monkeypatch.setattr(main.importlib, "import_module", lambda _: SimpleNamespace(run=no_memory))
    monkeypatch.setattr(boundary, "last_words", no_memory)
    assert main.run(["check"]) == MACHINE
    assert capfd.readouterr().err == "instar: out of memory\n"
