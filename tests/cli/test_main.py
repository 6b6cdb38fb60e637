import json
import keyword
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from engine.processes import INSTAR
from PIL import Image

from instar.cli import main

PROBE = """
import json, sys, time
import instar
import instar.cli.main as main
code = main.run(sys.argv[1:])
heavy = sorted({"torch", "torchvision", "lightning_fabric", "numpy"} & set(sys.modules))
print("\\n" + json.dumps([code, heavy, time.process_time()]))
"""


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"]])
def test_help_lists_all_commands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(arguments) == 0
    out, err = capsys.readouterr()
    assert err == ""
    names = "methods check train translate styles inspect evaluate compare benchmark study demo"
    for name in names.split():
        assert f"\n  instar {name} " in out
    assert "instar train METHOD --help" in out
    assert "--resume RUN" in out


def test_every_command_has_a_module() -> None:
    folder = Path(main.__file__).parent
    for name in main.COMMANDS:
        module = f"{name}_" if keyword.iskeyword(name) else name
        assert (folder / f"{module}.py").is_file(), name


def test_without_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([]) == 2
    assert "instar train METHOD" in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_version(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([flag]) == 0
    assert capsys.readouterr().out == f"instar {version('instar')}\n"


@pytest.mark.parametrize(
    ("word", "meant"), [("trian", "train"), ("translat", "translate"), ("method", "methods"), ("--hlep", None)]
)
def test_an_unknown_command_names_the_nearest(word: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([word]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"instar: there is no command {word!r}; ")
    assert err.count("\n") == 1
    known = ", ".join(sorted(main.COMMANDS))
    assert (f"did you mean {meant!r}?" if meant else known) in err


@pytest.mark.parametrize("command", ["methods", "check", "translate", "demo"])
def test_help_of_a_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main.run([command, "--help"])
    assert stopped.value.code == 0
    assert f"usage: instar {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected", "said"),
    [
        (["--help"], 0, "Train and use"),
        (["--version"], 0, "instar "),
        (["train"], 2, "Methods: bicyclegan, cogan, cut, cyclegan, "),
        (["train", "--help"], 0, "Methods: bicyclegan, cogan, cut, cyclegan, "),
        (["train", "cyclegam", "data", "-o", "run"], 2, "did you mean 'cyclegan'?"),
        (["trian"], 2, "did you mean 'train'?"),
    ],
)
def test_quick_answers_do_without_torch(arguments: list[str], expected: int, said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path
    )
    code, heavy, seconds = json.loads(done.stdout.splitlines()[-1])
    assert code == expected
    assert said in done.stdout + done.stderr
    assert heavy == []
    assert seconds < 1.0, "of processor time"
    assert list(tmp_path.iterdir()) == []


QUICK = [
    *([name, "--help"] for name in main.COMMANDS),
    ["methods"],
    *(["train", name, "--help"] for name in ("cut", "munit", "tunit")),
    ["train", "cut", "--preset", "small", "--help"],
    ["train", "cut", "DATA", "-o", "RUN", "--no-such-flag", "1"],
    ["train", "cut", "DATA", "-o", "RUN", "--method.width", "0"],
    ["train", "cut", "DATA", "-o", "RUN", "--size", "0"],
    ["train", "cut", "DATA", "-o", "RUN", "--preset", "smal"],
    ["train", "cut"],
]


@pytest.mark.parametrize("arguments", QUICK, ids=" ".join)
def test_answers_without_tensors_do_without_torch(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import atexit, sys; from instar.cli.main import run\n"
        "atexit.register(lambda: print('\\n' + str('torch' in sys.modules)))\n"
        "sys.exit(run(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert done.returncode == (0 if "--help" in arguments or arguments == ["methods"] else 2), done.stderr
    assert done.stdout.splitlines()[-1] == "False"


def test_the_process_ends_with_the_exit_code(tmp_path: Path) -> None:
    done = subprocess.run([*INSTAR, "trian"], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "instar: there is no command 'trian'; did you mean 'train'?\n"


def test_help_where_there_are_no_greek_letters() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "OMP_NUM_THREADS": "1"}
    command = [*INSTAR, "train", "cut", "--help"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stderr.decode()
    assert b"weight of the contrast" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="no pipes of this kind")
@pytest.mark.parametrize("arguments", ["--help", "methods", "train cut --help", "check ."])
@pytest.mark.parametrize("reader", ["head -c 1", "true"])
def test_a_reader_that_goes_away(arguments: str, reader: str, tmp_path: Path) -> None:
    """Quiet, with the code of a program that SIGPIPE ends, or done before anybody could go."""
    Image.new("RGB", (40, 40), "red").save(tmp_path / "a.png")
    line = f"set -o pipefail; {' '.join(INSTAR)} {arguments} | {reader} >/dev/null"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stderr == ""
    assert done.returncode in (0, 1, main.CLOSED)


@pytest.mark.skipif(os.name == "nt", reason="no pipes of this kind")
def test_the_code_of_a_closed_pipe() -> None:
    """The pipe has no reader from the start, and the output is too little to be written before the end."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*INSTAR, "--version"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (main.CLOSED, "")


@pytest.mark.skipif(os.name == "nt", reason="no descriptors of this kind")
def test_output_that_is_closed() -> None:
    line = f"{' '.join(INSTAR)} --help >&-"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
