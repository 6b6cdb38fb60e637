"""Time a training step of each method, and its peak memory.

    python benchmarks/step.py [--methods cut cyclegan] [--sizes 256] [--batch 1] [--repeat 5] [--against FILE.json]

Each method and size runs in a process of its own, so that the memory is its own. The time is that of a whole step,
all objectives and optimisers included, on images in memory; the median over `--repeat` steps after one warm-up.
`--against` takes seconds and gigabytes of another implementation, {"cut 256": [12.5, 3.3]}, measured by you
on the same machine, and prints the ratios.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

import instar
from instar.core.method import defaults
from instar.core.progress import Progress
from instar.engine.memory import keep_freed_memory
from instar.engine.optimizers import Optimizers

CASES = {
    "cyclegan": "paper",
    "cut": "paper",
    "fastcut": "fastcut",
    "pix2pix": "paper",
    "bicyclegan": "paper",
    "ugatit": "light",
    "unit": "paper",
    "munit": "paper",
    "distancegan": "self-distance",
    "gcgan": "paper",
    "transgaga": "paper",
    "tunit": "paper",
}
"""Name in the table and preset; fastcut is a preset of cut. Self-distance, since distances need two images."""


def main() -> None:
    """Measure every case, or one, in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--sizes", nargs="+", type=int, default=[256])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--precision", choices=["32", "bf16"], default="32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--against", type=Path)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        measure(args.methods[0], args.sizes[0], args.batch, args.repeat, args.precision, args.threads)
        return
    others = json.loads(args.against.read_text()) if args.against else {}
    for method in args.methods:
        for size in args.sizes:
            flags = ["--methods", method, "--sizes", str(size), "--batch", str(args.batch), "--one"]
            flags += ["--repeat", str(args.repeat), "--precision", args.precision, "--threads", str(args.threads)]
            done = subprocess.run([sys.executable, __file__, *flags], check=True, capture_output=True, text=True)
            seconds, best, gigabytes = json.loads(done.stdout)
            line = f"{method:<10} {size:>4} px  {seconds:7.3f} s (best {best:.3f})  {gigabytes:5.2f} GB"
            if f"{method} {size}" in others:
                their_seconds, their_gigabytes = others[f"{method} {size}"]
                ratios = their_seconds / best, their_gigabytes / gigabytes
                line += f"  the other: {ratios[0]:.2f} x the time, {ratios[1]:.2f} x the memory"
            print(line, flush=True)


def measure(case: str, size: int, batch: int, repeat: int, precision: str, threads: int) -> None:
    """Print median and best seconds of a step, and the process's peak memory in GB."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    name = "cut" if case == "fastcut" else case
    kind = instar.get(name)
    torch.manual_seed(0)
    config: Any = defaults(name, kind, CASES[case]).method
    if name == "tunit":  # its networks depend on the size; and all of them are to play
        config = replace(config, side=size, width=32 if size > 128 else 64, cluster=0.0)
    method = kind(config)
    optimizers = Optimizers(method)
    seconds = []
    batch += batch % 2 if name == "bicyclegan" else 0  # half of its batch is encoded: two images instead of one
    for step in range(repeat + 1):
        x, y = torch.rand(2, batch, 3, size, size) * 2 - 1
        begin = time.perf_counter()
        rounds = method.objectives(kind.data(x, y), Progress(step, 100))
        while True:
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                objective = next(rounds, None)
            if objective is None:
                break
            names = optimizers.names(objective.over)
            parameters = optimizers.parameters(names)
            for parameter in parameters:
                parameter.grad = None
            objective.loss.total().backward(inputs=parameters)
            optimizers.step(names, Progress(step, 100))
        seconds.append(time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps([median(seconds[1:]), min(seconds[1:]), peak]))


if __name__ == "__main__":
    main()
