"""All that is to be measured on a GPU, in minutes: `python benchmarks/gpu.py OUT [--minutes 8] [--train DATA]`.

Steps of every method at its paper's size, in float32 (TF32 where the card has it) and in bf16, and in bf16 compiled
(`train.compile`) or computed twice (`train.activation_checkpointing`), at batch 1 and at the batch with the most images
a second: images a second, memory, kernels and waits of the processor for the GPU in a step, share of the card's peak.
Then, with `--train`, CUT and CycleGAN at 128 px on a data set with the time that is left, each scored. OUT/gpu.json is
written after every case, OUT/gpu.md at the end: what does not fit into `--minutes` is named there. A step is that of
`benchmarks/step.py`: all objectives and optimisers, images in memory.

`--device cpu --small` tries the script itself, without a GPU.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parent))
from step import CASES, WAYS, Built

SIZES = {"munit": 256, "tunit": 128, "transgaga": 128}
"""Sides in the papers where they are not 256."""
BATCHES = (1, 4, 16, 64)
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
"""Floating point operations a second in bf16 without sparsity, by the makers' data sheets."""
TRAINED = ("cut", "cyclegan")

Row = dict[str, Any]


def main() -> None:
    """Measure what fits into the time, the most wanted first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--train", type=Path, help="data set of two folders of faces or scenes")
    parser.add_argument("--share", type=float, default=0.5, help="share of the time for the trainings")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--methods", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["bf16", "32", "bf16+compiled", "bf16+recomputed"])
    parser.add_argument("--small", action="store_true", help="64 px, batches 1 and 2")
    parser.add_argument("--weights", type=Path, help="of MobileNet, to score the trained runs")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    end = begin + 60 * given.minutes
    until = end - 60 * given.minutes * given.share if given.train else end
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    rows: list[Row] = []
    left: list[str] = []
    for way in given.ways:
        for case in given.methods:
            if time.monotonic() > until:
                left.append(f"{case} in {way}")
                continue
            rows += best_of(case, way, given.device, given.small)
            write(given.out, rows, left)
    for name in TRAINED if given.train else ():
        minutes = (end - time.monotonic()) / 60 / (len(TRAINED) - TRAINED.index(name))
        rows.append(trained(name, given, minutes))
        write(given.out, rows, left)
    print((given.out / "gpu.md").read_text(encoding="utf-8"))


def best_of(case: str, way: str, device: str, small: bool) -> list[Row]:
    """Measure batches from 1 on while they gain a tenth of images a second; what does not fit ends the row."""
    rows: list[Row] = []
    for batch in (1, 2) if small else BATCHES:
        try:
            row = measured(case, 64 if small else SIZES.get(case, 256), batch, way, device)
        except torch.OutOfMemoryError:
            break
        except Exception as error:
            row = {"method": case, "way": way, "batch": batch, "error": " ".join(str(error).split())[:200]}
        rows.append(row)
        if "error" in row or (len(rows) > 1 and row["rate"] < 1.1 * rows[-2]["rate"]):
            break
    return rows


def measured(case: str, size: int, batch: int, way: str, device: str) -> Row:
    """Return what a step takes: medians over five, after two that are not counted."""
    cuda = device == "cuda"
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    built = Built(case, size, batch, way, device)
    wait: Callable[[], None] = torch.cuda.synchronize if cuda else lambda: None
    seconds = []
    for number in range(7 if cuda else 2):
        wait()
        begin = time.perf_counter()
        built.step(number)
        wait()
        seconds.append(time.perf_counter() - begin)
    took = median(seconds[2 if cuda else 1 :])
    done = None if "+" in way else operations(built)  # of what is compiled or computed twice it is the plain step's
    peak = next((most for name, most in PEAKS.items() if cuda and name in torch.cuda.get_device_name()), None)
    return {
        "method": case,
        "size": size,
        "way": way,
        "batch": built.batch,
        "seconds": took,
        "rate": built.batch / took,
        "gigabytes": torch.cuda.max_memory_allocated() / 1e9 if cuda else None,
        "operations": done,
        "share": done / took / peak if peak and done else None,
        "kernels": kernels(built) if cuda else None,
        "waits": waits(built) if cuda else None,
    }


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
    return sum(event.count for event in seen.key_averages() if event.key in ("cudaLaunchKernel", "cudaLaunchKernelExC"))


def waits(built: Built) -> int:
    """Return how often the processor waits for the GPU in a step, by PyTorch's own debugging mode."""
    torch.cuda.synchronize()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        built.step(10)
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(one.message) for one in said)


def trained(name: str, given: argparse.Namespace, minutes: float) -> Row:
    """Train through the command line for about so many minutes, score if there are weights, return what was done."""
    size, batch = (64, 2) if given.small else (128, 16)
    rate = measured(name, size, batch, "bf16", given.device)["rate"]
    steps = 2 if given.small else max(2, int(0.6 * minutes * 60 * rate / batch))
    run = given.out / name
    train = [name, str(given.train), "-o", str(run), "--precision", "auto", "--device", given.device, "--seed", "0"]
    train += ["--size", str(size), "--batch", str(batch), "--steps", str(steps), "--train.keep", "1"]
    train += ["--preset", "tiny"] if given.small else []
    score = ["evaluate", str(run), "--extractor", "mobilenet", "--weights", str(given.weights)]
    begin = time.monotonic()
    for command in (["train", *train], *([score] if given.weights else [])):
        program = [sys.executable, "-m", "instar.cli", *command]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        (given.out / f"{name}-{command[0]}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
        if done.returncode:
            return {"method": name, "trained": steps, "batch": batch, "error": " ".join(done.stderr.split())[-200:]}
    return {"method": name, "trained": steps, "batch": batch, "size": size, "minutes": (time.monotonic() - begin) / 60}


def write(out: Path, rows: list[Row], left: list[str]) -> None:
    """Write what there is as JSON and as a table."""
    (out / "gpu.json").write_text(
        json.dumps({"device": name_of(), "rows": rows, "left": left}, indent=1), encoding="utf-8"
    )
    lines = [f"{name_of()}, PyTorch {torch.__version__}", ""]
    lines += [
        "| Method | Side | Way | Batch | Images/s | GB | Kernels | Waits | Of the peak |",
        "|" + " --- |" * 9,
    ]
    for row in rows:
        if "trained" in row:
            said = row.get("error") or f"trained for {row['trained']} steps in {row['minutes']:.1f} minutes"
            lines.append(f"| {row['method']} | {row.get('size', '')} | auto | {row['batch']} | {said} |")
            continue
        if "rate" not in row:
            lines.append(
                f"| {row['method']} | {' | '.join(str(row.get(key, '')) for key in ('size', 'error', 'batch'))} |"
            )
            continue
        told = [row["method"], row["size"], row["way"], row["batch"], f"{row['rate']:.1f}"]
        told += ["" if row[key] is None else f"{row[key]:.3g}" for key in ("gigabytes", "kernels", "waits", "share")]
        lines.append("| " + " | ".join(map(str, told)) + " |")
    lines += ["", *(f"Not measured, the time was up: {one}." for one in left)]
    (out / "gpu.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def name_of() -> str:
    """Return the name of the GPU, if there is one."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"


if __name__ == "__main__":
    main()
