"""Errors of translations of a set of instruments (`instar.data.drawn.instruments`), in the units of the files.

    python benchmarks/instruments.py RUN DATA

Prints the mean absolute error over the test images: of the translations as `instar translate` writes them, of the mean
of the target's training images at each pixel, and of one value for each band everywhere, their mean.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import instar
from instar.core.raster import Raster
from instar.core.reading import read


def main() -> None:
    """Translate, compare, print a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    args = parser.parse_args()
    truth = {path.stem: pixels(path) for path in sorted((args.data / "testB").iterdir())}
    learned = np.mean([pixels(path) for path in sorted((args.data / "trainB").iterdir())], axis=0)
    with tempfile.TemporaryDirectory() as folder:
        done = instar.translate(args.run, args.data / "testA", Path(folder) / "out", device="cpu")
        made = {path.stem: pixels(path) for path in done.out.iterdir() if path.stem in truth}
    if made.keys() != truth.keys():
        raise SystemExit(f"{len(made)} translations for {len(truth)} test images")
    everywhere = np.broadcast_to(learned.mean((0, 1)), learned.shape)
    guesses: dict[str, dict[str, Any]] = {"translations": made, "mean image": dict.fromkeys(truth, learned)}
    guesses["one value"] = dict.fromkeys(truth, everywhere)
    ends = f"{min(one.min() for one in truth.values()):.4g} to {max(one.max() for one in truth.values()):.4g}"
    print(f"{args.data}, {len(truth)} test images, {ends}")
    for name, found in guesses.items():
        errors = [np.abs(found[key] - one).mean() for key, one in truth.items()]
        print(f"  {name}: {np.mean(errors):.4g} (standard error {np.std(errors) / len(errors) ** 0.5:.2g})")


def pixels(path: Path) -> NDArray[Any]:
    """Return the values (H, W, C) of a file, or (H, W)."""
    found = read(path)
    return (found.pixels if isinstance(found, Raster) else np.asarray(found)).astype(np.float64)


if __name__ == "__main__":
    main()
