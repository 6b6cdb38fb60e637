"""What a change of the code may cost and no clock shows: products, steps of optimisers, operations, bytes, imports.

    python tests/counts.py        writes tests/counts.json, with which test_counts.py compares

A method is counted on a device without numbers (engine/device.py), under its preset "tiny" at batch 2, in each phase of
a run. Of kernels only convolutions and products of matrices are counted: the others are PyTorch's affair and change
with its versions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from engine.device import META, pretend, steps_on_meta
from torch import Tensor

from instar.core import registry
from instar.core.progress import Progress
from instar.engine.steps import Steps
from instar.testing.products import Products
from instar.testing.runs import tiny

TABLE = Path(__file__).resolve().parent / "counts.json"
BATCH, LENGTH = 2, 20
STARTS = {
    "import instar": ["-c", "import instar"],
    "instar --help": ["-m", "instar.cli", "--help"],
    "instar methods": ["-m", "instar.cli", "methods"],
}
"""What must start fast: command lines of Python."""


def of_method(name: str) -> dict[str, Any]:
    """Return the counts of a method."""
    steps = steps_on_meta(tiny(name, {"batch": BATCH, "steps": LENGTH}))
    phases = {}
    for number in range(LENGTH):
        phase = steps.method.phase(Progress(number, LENGTH, steps.source.epoch_length))
        if phase not in phases:
            steps.step, steps.phase = number, phase
            phases[phase] = of_step(steps)
    states = {
        "weights": steps.method.state_dict(),
        "optimisers": steps.optimizers.state(),
        "averages": steps.averages.state(),
    }
    return {"steps": phases, "checkpoint bytes": {part: size_of(state) for part, state in states.items()}}


def of_step(steps: Steps) -> dict[str, Any]:
    """Return the counts of a run's next step."""
    moves: list[str] = []
    move = steps.optimizers.step

    def moved(names: Any, *rest: Any) -> None:
        moves.append("+".join(names))
        move(names, *rest)

    steps.optimizers.step = moved  # type: ignore[method-assign]
    batch = steps.source.batch(steps.step).to(META)
    with Products() as products:
        steps.take(batch)
    steps.optimizers.step = move  # type: ignore[method-assign]
    return {"moves": moves, "products": products.number, "operations": products.operations}


def size_of(state: dict[str, Tensor]) -> int:
    """Return the bytes of tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in state.values())


def imported(arguments: list[str]) -> list[str]:
    """Return the packages, of others and of no standard library, that a command of Python has imported at its end."""
    code = (
        "import atexit, sys, runpy; own = set(sys.modules)\n"
        "atexit.register(lambda: print('\\n' + ' '.join(sorted({m.split('.')[0] for m in set(sys.modules) - own}"
        " - set(sys.stdlib_module_names)))))\n"
    )
    code += arguments[1] if arguments[0] == "-c" else _module(arguments)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False)
    names = done.stdout.splitlines()[-1].split()
    return [name for name in names if not name.startswith(("_", "instar"))]


def _module(arguments: list[str]) -> str:
    return f"sys.argv = {arguments[1:]!r}; runpy.run_module({arguments[1]!r}, run_name='__main__')"


def counted() -> dict[str, Any]:
    """Return the whole table."""
    methods = {name: of_method(name) for name in registry.names()}
    return {"methods": methods, "imports": {name: imported(words) for name, words in STARTS.items()}}


if __name__ == "__main__":
    pretend(setattr)
    torch.manual_seed(0)
    TABLE.write_text(json.dumps(counted(), indent=1) + "\n", encoding="utf-8")
