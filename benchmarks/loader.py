"""Images a second of the loader, beside what a training step needs.

    python benchmarks/loader.py DATA [--size 256] [--batch 1 16]

Prints how long the cache took to build and to open again, the loader's images a second (both domains counted) when
batches are asked for one by one and when they are prepared ahead, and the need of a step of 0.1 s.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from instar.core.batch import Unpaired
from instar.core.config import DataConfig
from instar.data import Data, open_data

STEP_SECONDS = 0.1
"""Of a fast training step on a GPU at 256 px and batch 1."""


def main() -> None:
    """Build the cache anew and time the loader."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--seconds", type=float, default=3.0)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as cache:
        os.environ["INSTAR_CACHE"] = cache

        def opened(batch: int) -> Data:
            config = DataConfig(roots=(args.data.absolute(),), size=args.size)
            return open_data(config, 3, Unpaired, batch, seed=0)

        for what in ("decoding into the cache", "opening the cache"):
            begin = time.perf_counter()
            data = opened(args.batch[0])
            images = sum(len(store) for store in data.train.stores.values())
            print(f"{what}: {time.perf_counter() - begin:.2f} s for {images} images")
        for batch in args.batch:
            loader = opened(batch).train
            steps = iter(range(10**9))
            direct = rate(map(loader.batch, steps).__next__, batch, args.seconds)
            with loader.stream(0) as stream:
                ahead = rate(stream.__next__, batch, args.seconds)
            need = 2 * batch / STEP_SECONDS
            print(
                f"batch {batch:>3}: {direct:8.0f} images/s asked for, {ahead:8.0f} prepared ahead; "
                f"a step of {STEP_SECONDS} s needs {need:.0f}"
            )


def rate(ask: Callable[[], object], batch: int, seconds: float) -> float:
    """Return the images a second that repeated calls of `ask` give, each a batch of two domains."""
    ask()
    begin, calls = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        ask()
        calls += 1
    return 2 * batch * calls / (time.perf_counter() - begin)


if __name__ == "__main__":
    main()
