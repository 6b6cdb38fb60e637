"""All that is to be measured on a GPU, in minutes: `python benchmarks/gpu.py OUT [--minutes 8] [--train DATA]`.

Steps of every method at its paper's size, at batch 1 and at the batch with the most images a second, in bf16 and in
float32 (TF32 where the card has it); then in bf16 with networks as CUDA graphs (`train.cuda_graphs`), with networks and
images channels last, compiled (`train.compile`) or computed twice (`train.activation_checkpointing`): images a second,
memory, kernels and waits of the processor for the GPU in a step, share of the card's peak. With `--authors` and
`--ugatit`, checkouts of CUT's repository and of U-GAT-IT's, their steps too. Then, with `--train`, CUT and CycleGAN at
128 px on a data set with the time that is left, each scored. OUT/gpu.json and OUT/gpu.md are written after every case:
what does not fit into `--minutes` is named there. A step is that of `benchmarks/step.py`: all objectives and
optimisers, images on the GPU.

`--device cpu --small` tries the script itself, without a GPU.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parent))
from step import AUTHORS, CASES, Built

SIZES = {"munit": 256, "tunit": 128, "transgaga": 128}
"""Sides in the papers where they are not 256."""
BATCHES = (1, 4, 16, 64)
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
"""Floating point operations a second in bf16 without sparsity, by the makers' data sheets."""
OTHER_WAYS = {
    "bf16+graphs": ("cyclegan", "pix2pix", "bicyclegan", "ugatit", "unit", "munit", "distancegan", "gcgan", "cut"),
    "bf16+channels-last": ("cyclegan", "cut", "ugatit", "munit", "tunit"),
    "bf16+compiled": ("cyclegan", "cut", "ugatit"),
    "bf16+recomputed": ("cyclegan",),
}
"""Methods that are measured in these ways too."""
THEIRS = "32, authors'"
WAYS = ("bf16", THEIRS, "32", *OTHER_WAYS)
"""In this order."""
TRAINED = ("cut", "cyclegan")
LIMIT = 300
"""Seconds that a program of the authors may take."""

Row = dict[str, Any]


def main() -> None:
    """Measure what fits into the time, the most wanted first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--train", type=Path, help="data set of two folders of faces or scenes")
    parser.add_argument("--share", type=float, default=0.5, help="share of the time for the trainings")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--methods", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--authors", type=Path, help="checkout of CUT's repository")
    parser.add_argument("--ugatit", type=Path, help="checkout of U-GAT-IT's repository")
    parser.add_argument("--small", action="store_true", help="64 px, batches 1 and 2")
    parser.add_argument("--weights", type=Path, help="of MobileNet, to score the trained runs")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * given.minutes
    until = end - 60 * given.minutes * given.share if given.train else end
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    sheet = Sheet(given.out, ceilings() if given.device == "cuda" else {})
    for case in wanted(given, sheet):
        if time.monotonic() > until:
            sheet.leave(str(case))
        else:
            sheet.add(case.rows())
    for name in TRAINED if given.train else ():
        minutes = (end - time.monotonic()) / 60 / (len(TRAINED) - TRAINED.index(name))
        sheet.add([trained(name, given, minutes)])
    print((given.out / "gpu.md").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Case:
    """What is measured: a method in a way, at batches of which each is taken while they gain."""

    method: str
    way: str
    size: int
    batches: Sequence[int]
    device: str
    checkout: Path | None = None
    """Of the authors, if it is their step."""

    def __str__(self) -> str:
        return f"{self.method} in {self.way}"

    def rows(self) -> list[Row]:
        """Measure batches while they gain a tenth of images a second; what does not fit ends the rows."""
        rows: list[Row] = []
        for batch in self.batches:
            named = {"method": self.method, "size": self.size, "way": self.way, "batch": batch}
            try:
                rows.append(named | (theirs(self, batch) if self.checkout else measured(self, batch)))
            except torch.OutOfMemoryError:
                break
            except Exception as error:
                rows.append(named | {"error": " ".join(str(error).split())[-200:]})
                break
            if len(rows) > 1 and rows[-1]["rate"] < 1.1 * rows[-2]["rate"]:
                break
        return rows


def wanted(given: argparse.Namespace, sheet: Sheet) -> Iterator[Case]:
    """Yield what is to be measured, in order."""

    def case(method: str, way: str, batches: Sequence[int], checkout: Path | None = None) -> Case:
        return Case(method, way, 64 if given.small else SIZES.get(method, 256), batches, given.device, checkout)

    batches = (1, 2) if given.small else given.batches
    checkouts = {**dict.fromkeys(AUTHORS, given.authors), "ugatit": given.ugatit}
    for way in sorted(given.ways, key=WAYS.index):
        for method in given.methods:
            if way == THEIRS:
                if checkout := checkouts.get(method):
                    yield case(method, way, batches[:1], checkout)
            elif way not in OTHER_WAYS:
                yield case(method, way, batches)
            elif method in OTHER_WAYS[way]:
                yield case(method, way, sorted({batches[0], sheet.best(method)}))


def measured(case: Case, batch: int) -> Row:
    """Return what a step takes: medians over five, after three that are not counted."""
    cuda = case.device == "cuda"
    if cuda:
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    built = Built(case.method, case.size, batch, case.way, case.device)
    wait: Callable[[], None] = torch.cuda.synchronize if cuda else lambda: None
    warm, repeat = (3, 5) if cuda else (1, 1)
    seconds = []
    for number in range(warm + repeat):
        wait()
        begin = time.perf_counter()
        built.step(number)
        wait()
        seconds.append(time.perf_counter() - begin)
    took = median(seconds[warm:])
    memory = torch.cuda.max_memory_allocated() / 1e9 if cuda else None
    # Of what is compiled or computed twice the operations are the plain step's.
    done = operations(built) if case.way in ("32", "bf16", "bf16+channels-last") else None
    peak = next((most for name, most in PEAKS.items() if name in name_of()), None)
    return {
        "batch": built.batch,
        "weights": sum(parameter.numel() for parameter in built.method.parameters()),
        "seconds": took,
        "rate": built.batch / took,
        "gigabytes": memory,
        "operations": done,
        "share": done / took / peak if peak and done and case.way.startswith("bf16") else None,
        "kernels": kernels(built) if cuda and batch == 1 else None,
        "waits": waits(built) if cuda and batch == 1 else None,
    }


def theirs(case: Case, batch: int) -> Row:
    """Return what a step of the authors' code takes."""
    program = [sys.executable, str(Path(__file__).with_name("authors.py")), str(case.checkout), case.method]
    flags = ["--sizes", str(case.size), "--batch", str(batch), "--device", case.device]
    flags += ["--repeat", "5" if case.device == "cuda" else "1"]
    done = subprocess.run([*program, *flags], capture_output=True, text=True, check=False, timeout=LIMIT)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: Row = json.loads(done.stdout.splitlines()[-1])
    return {**found, "rate": batch / found["seconds"]}


def operations(built: Built) -> int | None:
    """Return the floating point operations of a step; None where the counter cannot see those of penalties."""
    try:
        with FlopCounterMode(display=False) as counter:
            built.step(8)
    except RuntimeError:
        return None
    total: int = counter.get_total_flops()
    return total


def kernels(built: Built) -> int:
    """Return how many kernels a step starts."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        built.step(9)
        torch.cuda.synchronize()
    return sum(event.count for event in seen.key_averages() if event.key.startswith(("cudaLaunchKernel", "cuLaunch")))


def waits(built: Built) -> int:
    """Return how often the processor waits for the GPU in a step, by PyTorch's own debugging mode."""
    torch.cuda.synchronize()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        built.step(10)
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing CUDA operation" in str(one.message) for one in said)


def ceilings() -> Row:
    """Return what the card does at most here: operations a second in products of matrices, bytes a second in copies."""
    side = 8192
    products = {"32": torch.float32, "bf16": torch.bfloat16}
    found = {}
    for name, kind in products.items():
        a, b = (torch.randn(side, side, device="cuda", dtype=kind) for _ in range(2))
        found[name] = 2 * side**3 / _seconds(partial(torch.matmul, a, b))
    a, b = (torch.empty(2**30, device="cuda", dtype=torch.float32) for _ in range(2))
    found["copied"] = 2 * 4 * 2**30 / _seconds(partial(b.copy_, a))
    return found


def _seconds(run: Callable[[], object]) -> float:
    took = []
    for _ in range(8):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        run()
        torch.cuda.synchronize()
        took.append(time.perf_counter() - begin)
    return median(took[3:])


def trained(name: str, given: argparse.Namespace, minutes: float) -> Row:
    """Train through the command line for about so many minutes, score if there are weights, return what was done."""
    size, batch = (64, 2) if given.small else (128, 16)
    run = given.out / name
    train = [name, str(given.train), "-o", str(run), "--precision", "auto", "--device", given.device, "--seed", "0"]
    train += ["--size", str(size), "--batch", str(batch), "--budget", f"{0.8 * minutes:.2f}m", "--train.keep", "1"]
    train += ["--preset", "tiny"] if given.small else []
    score = ["evaluate", str(run), "--extractor", "mobilenet", "--weights", str(given.weights)]
    begin = time.monotonic()
    named = {"method": name, "size": size, "batch": batch}
    for command in (["train", *train], *([score] if given.weights else [])):
        program = [sys.executable, "-m", "instar.cli", *command]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        (given.out / f"{name}-{command[0]}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
        if done.returncode:
            return {**named, "way": "auto", "error": " ".join(done.stderr.split())[-200:]}
    return {**named, "minutes": (time.monotonic() - begin) / 60}


class Sheet:
    """What was measured, and what was not."""

    def __init__(self, out: Path, ceilings: Row) -> None:
        self.rows: list[Row] = []
        self.left: list[str] = []
        """What there was no time for."""
        self._out, self._ceilings = out, ceilings

    def add(self, rows: Sequence[Row]) -> None:
        """Write rows behind those there are."""
        self.rows += rows
        self._write()

    def leave(self, case: str) -> None:
        """Write that there was no time for a case."""
        self.left.append(case)
        self._write()

    def best(self, method: str) -> int:
        """Return the batch with the most images a second in bf16; 1 if nothing was measured."""
        there = [row for row in self.rows if row["method"] == method and row.get("way") == "bf16" and "rate" in row]
        best: int = max(there, key=lambda row: row["rate"])["batch"] if there else 1
        return best

    def _write(self) -> None:
        found = {"device": name_of(), "torch": torch.__version__, "ceilings": self._ceilings}
        text = json.dumps({**found, "rows": self.rows, "left": self.left}, indent=1)
        (self._out / "gpu.json").write_text(text, encoding="utf-8")
        lines = [f"{name_of()}, PyTorch {torch.__version__}", ""]
        if top := self._ceilings:
            lines += [
                f"Products of matrices of 8192 x 8192: {top['bf16'] / 1e12:.0f} TFLOP/s in bf16, "
                f"{top['32'] / 1e12:.0f} in TF32. Copies: {top['copied'] / 1e12:.1f} TB/s, read and written.",
                "",
            ]
        lines += ["| Method | Side | Way | Batch | Images/s | GB | GFLOP | Kernels | Waits | Of the peak |"]
        lines += ["|" + " --- |" * 10, *map(told, self.rows)]
        lines += ["", *(f"Not measured, the time was up: {one}." for one in self.left)]
        (self._out / "gpu.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def told(row: Row) -> str:
    """Return a row of the table."""
    cells = [row["method"], row["size"], row.get("way", "auto"), row["batch"]]
    if "minutes" in row:
        cells.append(f"trained and scored in {row['minutes']:.1f} minutes")
    elif "error" in row:
        cells.append(row["error"])
    else:
        operations = row["operations"]
        numbers = (row["rate"], row["gigabytes"], operations and operations / 1e9)
        cells += ["" if number is None else f"{number:.1f}" for number in numbers]
        cells += ["" if row.get(name) is None else row[name] for name in ("kernels", "waits")]
        cells.append(f"{row['share']:.0%}" if row.get("share") else "")
    return "| " + " | ".join(map(str, cells)) + " |"


def name_of() -> str:
    """Return the name of the GPU, if there is one."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"


if __name__ == "__main__":
    main()
