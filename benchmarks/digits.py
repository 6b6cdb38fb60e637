"""Print how well runs of unit-adaptation classify the target domain's test images.

    python benchmarks/digits.py RUN... [--source-only]

For each run: the accuracy of the last weights, of their averages, and of the checkpoint that is best on the source's
held-out images (its test images, or what `--data.holdout` keeps). Nothing is chosen on the target's test images. Train
with `--train.keep 0` to have all checkpoints. Several runs of one direction, as of three seeds, end in mean and spread.
`--source-only` sends the target's images through the source's own layers: for runs with `--method.gan 0
--method.feature 0`, a classifier that has never seen the target.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from statistics import mean, stdev

from instar.core.run import checkpoints, load_method, read_config
from instar.data import find
from instar.data.labels import classes, labelled
from instar.metrics.accuracy import accuracy_over

COLUMNS = ("last", "averaged", "best on source")


def scores(run: Path, source_only: bool) -> tuple[str, list[float], str]:
    """Return the direction, the accuracies in the order of COLUMNS, and a remark."""
    config = read_config(run / "config.yaml")
    found = find(config.data, paired=False)
    names = classes(found.train_a, found.name_a)
    cut = partial(labelled, names=names, channels=config.method.channels, size=config.data.size)
    source, target = list(cut(found.test_a)), list(cut(found.test_b))
    if not source or not target:
        raise SystemExit(f"{run}: both domains need test images with classes")

    def target_accuracy(folder: Path, averaged: bool = False) -> float:
        method, _ = load_method(folder, averaged=averaged)
        return accuracy_over(partial(method.classify, domain="a" if source_only else "b"), target)

    def source_accuracy(folder: Path) -> float:
        method, _ = load_method(folder, averaged=False)
        return accuracy_over(partial(method.classify, domain="a"), source)

    all_of_them = checkpoints(run)
    last = all_of_them[-1]
    on_source = {folder: source_accuracy(folder) for folder in all_of_them}
    best = max(all_of_them, key=lambda folder: on_source[folder])
    remark = f"source {on_source[last]:.4f}; best of {len(all_of_them)} at {best.name} with {on_source[best]:.4f}"
    accuracies = [target_accuracy(last), target_accuracy(last, averaged=True), target_accuracy(best)]
    counted = sum(len(labels) for _, labels in target)
    return f"{found.name_a} -> {found.name_b} ({counted})", accuracies, remark


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--source-only", action="store_true", help="classify with the source's own layers")
    given = parser.parse_args()
    print(f"{'run':<28} {'direction':<28} " + " ".join(f"{column:>14}" for column in COLUMNS))
    by_direction: dict[str, list[list[float]]] = {}
    for run in given.runs:
        direction, accuracies, remark = scores(run, given.source_only)
        by_direction.setdefault(direction, []).append(accuracies)
        print(
            f"{run.name:<28} {direction:<28} " + " ".join(f"{a:>14.4f}" for a in accuracies) + f"  {remark}", flush=True
        )
    for direction, rows in by_direction.items():
        if len(rows) > 1:
            columns = list(zip(*rows, strict=True))
            cells = " ".join(f"{mean(column):>6.4f} ±{stdev(column):>6.4f}" for column in columns)
            print(f"{f'mean ± spread of {len(rows)}':<28} {direction:<28} {cells}")


if __name__ == "__main__":
    main()
