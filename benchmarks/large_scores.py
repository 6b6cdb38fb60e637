"""Time and memory of scores between two large sets of features, each score in a process of its own.

    python benchmarks/large_scores.py [--counts 1000 5000] [--dimensions 1280] [--against CHECKOUT]

The features are drawn: time and memory do not depend on their values. With `--against` the code of another checkout
does the same in turn, and the numbers must agree. Seconds are those of the processor, of all threads together; memory
is the peak of the process, the 0.2 to 0.3 GB of the imports and the features themselves included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SCORES = ("KID", "KID's interval", "FD", "coverage", "coverage's intervals", "realism", "probe")


def main() -> None:
    """Print a table of all scores at all counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--dimensions", type=int, default=1280)
    parser.add_argument("--against", type=Path, help="another checkout of Instar")
    parser.add_argument("--scores", nargs="+", choices=SCORES, default=SCORES)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(given.one, given.counts[0], given.dimensions)))
        return
    checkouts = {"here": Path(__file__).parent.parent, **({"against": given.against} if given.against else {})}
    print(f"{given.dimensions} numbers an image; {os.environ.get('OMP_NUM_THREADS', 'all')} threads")
    print(f"{'images':>8} {'score':<22}" + "".join(f"{name + ' CPU s':>16}{'GB':>7}" for name in checkouts))
    for count in given.counts:
        for score in given.scores:
            found = [in_process(path, score, count, given.dimensions) for path in checkouts.values()]
            cells = "".join(
                f"{one['seconds']:16.2f}{one['gigabytes']:7.2f}" if one else f"{'-':>16}{'-':>7}" for one in found
            )
            print(f"{count:8} {score:<22}{cells}", flush=True)
            values = [one["value"] for one in found if one]
            if len(values) == 2 and not np.allclose(values[0], values[1], rtol=1e-7, atol=1e-7):
                sys.exit(f"{score}: {values[0]} here, {values[1]} there")


def in_process(checkout: Path, score: str, count: int, dimensions: int) -> dict[str, Any] | None:
    """Measure in a new process with the code of a checkout; None if it ran out of memory."""
    command = [sys.executable, __file__, "--one", score, "--counts", str(count), "--dimensions", str(dimensions)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(checkout / "src")}, capture_output=True, text=True, check=False
    )
    if done.returncode in (-9, 137) or "MemoryError" in done.stderr:
        return None
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measured(score: str, count: int, dimensions: int) -> dict[str, Any]:
    """Return seconds, peak memory and the value of one score."""
    random = np.random.default_rng(0)
    x = random.random((count, dimensions), np.float32)
    y = random.random((count, dimensions), np.float32) + np.float32(0.02)
    scorer = scorers()[score]
    begin = time.process_time()
    value = scorer(x, y)
    seconds = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {"seconds": seconds, "gigabytes": peak, "value": np.ravel(np.array(value, np.float64)).tolist()}


def scorers() -> dict[str, Callable[[Any, Any], Any]]:
    """Return the functions by the names of `SCORES`."""
    from instar.metrics.coverage import coverage, coverage_intervals
    from instar.metrics.frechet import frechet_distance
    from instar.metrics.kid import kernel_distance, kernel_distance_interval
    from instar.metrics.probe import fit_probe
    from instar.metrics.realism import realism_ratios

    functions: tuple[Callable[[Any, Any], Any], ...] = (
        kernel_distance,
        kernel_distance_interval,
        frechet_distance,
        coverage,
        lambda x, y: list(coverage_intervals(x, y).values()),
        lambda x, y: realism_ratios(x, y).mean(),
        lambda x, y: fit_probe(x, y).share(y),
    )
    return dict(zip(SCORES, functions, strict=True))


if __name__ == "__main__":
    main()
