"""Time a training step of each method, and its peak memory.

    python benchmarks/step.py [--methods cut cyclegan] [--sizes 256] [--batch 1] [--repeat 5] [--ways 32 bf16]
        [--authors CHECKOUT]

Each method and size runs in a process of its own, so that the memory is its own. The time is that of a whole step,
all objectives and optimisers included, on images in memory; the median over `--repeat` steps after one warm-up, by the
clock and in seconds of the processor, which other programs disturb less.

`--ways` are ways of computing the same step, each compared with the first: 32 or bf16, which `+compiled`,
`+recomputed` (`train.compile`, `train.activation_checkpointing` of all networks) or `+channels-last` (the layout of
networks and images) may follow. They run in turn, `--turns` times, and the medians are compared. Images, networks and
chance are the same; what is compiled was compiled before the time is taken.

`--authors` is a checkout of CUT's repository (taesungp/contrastive-unpaired-translation): `benchmarks/authors.py` runs
its CUT, FastCUT and CycleGAN in turn with ours. Ratios are printed only if the networks are equal: the same number of
weights, and the same number of floating point operations in a translation, to 1 %. A step may reach the same gradients
with fewer operations; both counts are printed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

import instar
from instar.core.memory import keep_freed_memory
from instar.core.method import defaults
from instar.core.progress import Progress
from instar.engine.calls import compile_calls, graph_calls, outermost, recompute_calls
from instar.engine.optimizers import Optimizers

sys.path.insert(0, str(Path(__file__).parent))
from timing import timed

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


OTHERS = ("+compiled", "+recomputed", "+channels-last")
WAYS = [f"{precision}{other}" for precision in ("32", "bf16") for other in ("", *OTHERS)]
AUTHORS = ("cyclegan", "cut", "fastcut")
"""Those of CUT's repository that `authors.py` knows."""


def main() -> None:
    """Measure every case, or one, in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--sizes", nargs="+", type=int, default=[256])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["32"])
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--authors", type=Path, help="checkout of CUT's repository")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        measure(args.methods[0], args.sizes[0], args.batch, args.repeat, args.ways[0], args.threads)
        return
    for method in args.methods:
        for size in args.sizes:
            flags = ["--sizes", str(size), "--batch", str(args.batch)]
            flags += ["--repeat", str(args.repeat), "--threads", str(args.threads)]
            found: dict[str, list[Measured]] = {way: [] for way in args.ways}
            for _ in range(args.turns):
                for way, rows in found.items():
                    rows.append(run(__file__, "--methods", method, "--one", "--ways", way, *flags))
            middle = {way: {name: median(row[name] for row in rows) for name in rows[0]} for way, rows in found.items()}
            own = middle[args.ways[0]]
            for way, row in middle.items():
                beside = "" if row is own else f"  {compared(row, own)} of {args.ways[0]}"
                print(f"{method:<10} {size:>4} px  {way:<15}  {said(row)}{beside}", flush=True)
            if args.authors and method in AUTHORS:
                theirs = run(str(Path(__file__).with_name("authors.py")), str(args.authors), method, *flags)
                print(f"{'':<9}authors'  {said(theirs)}  ours: {compared(own, theirs)}", flush=True)


Measured = dict[str, float]
"""Of a step: seconds by the clock and of the processor, gigabytes at the peak, weights, operations, and those of a
translation."""


def run(*command: str) -> Measured:
    """Run a Python program that prints such numbers as JSON, and return them."""
    done = subprocess.run([sys.executable, *command], check=True, capture_output=True, text=True)
    found: Measured = json.loads(done.stdout.splitlines()[-1])
    return found


def said(found: Measured) -> str:
    """Return the numbers in words."""
    return (
        f"{found['seconds']:7.3f} s, {found['processor']:7.3f} s of the processor, {found['gigabytes']:5.2f} GB, "
        f"{found['weights'] / 1e6:.3f} M weights, {found['operations'] / 1e9:.1f} GFLOP, "
        f"{found['translation'] / 1e9:.2f} to translate"
    )


def compared(own: Measured, theirs: Measured) -> str:
    """Return the ratios of ours to theirs, or why they do not compare."""
    for name in ("weights", "translation"):
        if abs(own[name] / theirs[name] - 1) > 0.01:
            return f"not compared: {own[name] / theirs[name]:.3f} x the {name}"
    ratios = {name: own[name] / theirs[name] for name in ("processor", "seconds", "gigabytes", "operations")}
    return ", ".join(f"{ratio:.2f} x the {name}" for name, ratio in ratios.items())


def measure(case: str, size: int, batch: int, repeat: int, way: str, threads: int) -> None:
    """Print the numbers of a step."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    built = Built(case, size, batch, way)
    weights = sum(parameter.numel() for parameter in built.method.parameters())
    print(json.dumps(timed(built.step, repeat, weights, built.translate)))


class Built:
    """A method under a preset with images in memory, ready for steps, on a GPU in one more way: with CUDA graphs."""

    def __init__(self, case: str, size: int, batch: int, way: str = "32", device: str = "cpu") -> None:
        name = "cut" if case == "fastcut" else case
        kind = instar.get(name)
        torch.manual_seed(0)
        config: Any = defaults(name, kind, CASES[case]).method
        if name == "tunit":  # its networks depend on the size; and all of them are to play
            config = replace(config, side=size, width=32 if size > 128 else 64, cluster=0.0)
        self.method = kind(config).to(device)
        self.optimizers = Optimizers(self.method)
        self.precision, _, other = way.partition("+")
        self.device, self.graphs = device, other == "graphs"
        self.batch = batch + batch % 2 if name == "bicyclegan" else batch  # half of its batch is encoded
        self.images = [*(torch.rand(2, self.batch, 3, size, size).to(device) * 2 - 1)]
        if other == "channels-last":
            self.method.to(memory_format=torch.channels_last)
            self.images = [x.contiguous(memory_format=torch.channels_last) for x in self.images]
        networks = [net for net in self.method.children() if any(p.requires_grad for p in net.parameters())]
        if other == "recomputed":
            for network in networks:
                recompute_calls(network)
        elif other == "compiled":
            compile_calls(outermost(networks, lambda: self.step(0)))
        elif other == "graphs":
            graph_calls(outermost(networks, lambda: self.step(0)))

    def step(self, number: int) -> None:
        """Do all objectives of a step."""
        if self.graphs:
            torch.compiler.cudagraph_mark_step_begin()
        batch: Any = self.method.data  # of two domains, whichever kind
        rounds = self.method.objectives(batch(*self.images), Progress(number, 100))
        while True:
            with torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16"):
                objective = next(rounds, None)
            if objective is None:
                break
            names = self.optimizers.names(objective.over)
            parameters = self.optimizers.parameters(names)
            for parameter in parameters:
                parameter.grad = None
            objective.loss.total().backward(inputs=parameters)
            self.optimizers.step(names, Progress(number, 100))

    def translate(self) -> None:
        """Translate the images once."""
        self.method.translate(self.images[0], to=self.method.targets[-1])


if __name__ == "__main__":
    main()
