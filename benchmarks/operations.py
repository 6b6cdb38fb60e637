"""Count the operations that a training step starts: `python benchmarks/operations.py [--methods ugatit] [--most 10]`.

Where images and batches are small a GPU takes as long for a step as it takes to start its kernels. An operation of
PyTorch that computes or copies is a kernel there, some are two or three; views are none. They are counted on a device
without numbers (tests/engine/device.py), on which a step is what it is on a GPU: averages, the way back where a
gradient is not finite, and the log included. Casts of bfloat16 come on top of them.

With `--against CHECKOUT` another checkout's steps are counted too, by this script.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from step import CASES
from torch import Tensor
from torch.utils import _foreach_utils
from torch.utils._python_dispatch import TorchDispatchMode

import instar
from instar.core.config import RunConfig
from instar.core.method import defaults
from instar.core.settings import with_changes

SIZES = {"munit": 256, "tunit": 128, "transgaga": 128}
"""Sides in the papers where they are not 256."""
FREE = {
    *("empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"),
    *("detach", "alias", "lift_fresh", "_unsafe_view", "_reshape_alias", "promote_types", "result_type", "_version"),
    *("_record_function_enter_new", "_record_function_exit"),
}
"""Operations that start nothing on a GPU, besides views."""


class Started(TorchDispatchMode):
    """Counts operations by name within this context."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if not func.is_view and name not in FREE:
            self.found[name] += kernels(name, args)
        return out


def kernels(name: str, args: Sequence[Any]) -> int:
    """Return 1; where lists go together that do not fit each other, as many as they have tensors."""
    lists = [part for part in args if isinstance(part, (list, tuple)) and part and isinstance(part[0], Tensor)]
    if not name.startswith("_foreach") or len(lists) == 1:
        return 1
    fit = all(one.shape == other.shape for one, other in zip(*lists[:2], strict=True))
    return 1 if fit else len(lists[0])


def main() -> None:
    """Print a line for each method, and the operations that there are most of."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--most", type=int, default=0, help="how many kinds of operations to list")
    parser.add_argument("--against", type=Path, help="another checkout of this repository")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.json:
        print(json.dumps({name: counted(name) for name in args.methods}))
        return
    for method in args.methods:
        here = Path(instar.__file__).parents[2]
        rows = {place: of_checkout(place, method) for place in (args.against, here) if place}
        print(f"{method:<10} " + ", then ".join(str(sum(found.values())) for found in rows.values()), flush=True)
        for name, count in Counter(rows[here]).most_common(args.most):
            before = f"  before {rows[args.against].get(name, 0)}" if args.against else ""
            print(f"    {name:<40} {count:>6}{before}", flush=True)


def of_checkout(place: Path, method: str) -> dict[str, int]:
    """Return the operations of a method's step in a checkout, counted in a process of its own."""
    search = os.pathsep.join(str(place.resolve() / part) for part in ("src", "tests", "benchmarks"))
    command = [sys.executable, __file__, "--methods", method, "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": search})
    found: dict[str, dict[str, int]] = json.loads(done.stdout.splitlines()[-1])
    return found[method]


def counted(case: str) -> dict[str, int]:
    """Return how many operations of each name the third step of a run starts."""
    from engine.device import META, pretend, steps_on_meta  # of the checkout that is counted

    pretend(setattr)
    as_on_a_gpu()
    name = "cut" if case == "fastcut" else case
    kind = instar.get(name)
    config: RunConfig = defaults(name, kind, CASES[case])
    size = SIZES.get(case, 256)
    config = with_changes(config, {"data": {"size": size}, "train": {"batch": 1 + (case in PAIRS)}})
    if case == "tunit":
        config = with_changes(config, {"method": {"side": size, "cluster": 0.0}})
    torch.manual_seed(0)
    steps, started = steps_on_meta(config), Started()

    def moved(names: Sequence[str], *_: Any) -> None:
        started.found["_fused_adam_"] += sum(len(steps.optimizers.by_name[name].param_groups) for name in names)

    steps.optimizers.step = moved  # type: ignore[method-assign]
    steps.phase = steps.method.phase(steps.at)  # whose preparation is no part of a step, and may ask for numbers
    batch = steps.source.batch(0).to(META)
    for _ in range(2):
        steps.take(batch)
    started.found.clear()
    with started:
        steps.take(batch)
    return dict(started.found)


def as_on_a_gpu() -> None:
    """Let what asks for a GPU find one, and lists of tensors be worked on together."""
    Tensor.is_cuda = property(lambda _: True)  # type: ignore[assignment,method-assign]
    supported = _foreach_utils._get_foreach_kernels_supported_devices()
    _foreach_utils._get_foreach_kernels_supported_devices = lambda: [*supported, "meta"]


PAIRS = ("bicyclegan", "tunit", "distancegan")
"""Methods whose batches hold two images at least."""

if __name__ == "__main__":
    main()
