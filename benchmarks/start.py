"""Time until a command that needs no tensor answers, each command in a process of its own.

    python benchmarks/start.py [--rounds 5] [--against CHECKOUT]

Seconds are those of the processor, imports and Python itself included: the median of the rounds. "PyTorch" says whether
it was imported. With `--against` another checkout answers in turn.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

from instar.cli.main import COMMANDS

ANSWERS = (
    ["--help"],
    ["--version"],
    ["methods"],
    ["train", "--help"],
    ["train", "cut", "--help"],
    ["train", "cut", "--no-such-flag", "1"],
    ["train", "cut", "DATA", "-o", "RUN", "--size", "0"],
    *([name, "--help"] for name in COMMANDS if name not in ("methods", "train")),
)
PROBE = "import sys; from instar.cli.main import run; sys.argv[0] = 'instar'; "
CODE = PROBE + "code = run(sys.argv[1:]); sys.exit(code)"
LOADS = PROBE + "import atexit; atexit.register(lambda: print('torch' in sys.modules)); run(sys.argv[1:])"


def main() -> None:
    """Print a table of all commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--against", type=Path, help="another checkout of Instar")
    given = parser.parse_args()
    checkouts = [Path(__file__).parent.parent, *([given.against] if given.against else [])]
    print("| command | " + " | ".join(f"CPU s {path.name} | PyTorch" for path in checkouts) + " |")
    print("| --- " * (1 + 2 * len(checkouts)) + "|")
    for arguments in ANSWERS:
        rounds = [[seconds(path, arguments) for path in checkouts] for _ in range(given.rounds)]
        cells = [
            f"{median(column):.2f} | {'yes' if loads_torch(path, arguments) else 'no'}"
            for path, column in zip(checkouts, zip(*rounds, strict=True), strict=True)
        ]
        print(f"| `instar {' '.join(arguments)}` | {' | '.join(cells)} |", flush=True)


def seconds(checkout: Path, arguments: list[str]) -> float:
    """Return the processor seconds of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = _run(checkout, CODE, arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 2):
        sys.exit(done.stderr)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def loads_torch(checkout: Path, arguments: list[str]) -> bool:
    """Return whether a command imports PyTorch."""
    return _run(checkout, LOADS, arguments).stdout.splitlines()[-1] == "True"


def _run(checkout: Path, code: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    main()
