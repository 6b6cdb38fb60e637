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
from pathlib import Path
from statistics import mean, stdev

from instar.core.run import read_config
from instar.evaluation.held_out import held_out
from instar.evaluation.runs import accuracies

COLUMNS = ("last", "averaged", "best on source")


def scores(run: Path, source_only: bool) -> tuple[str, list[float], str]:
    """Return the direction, the accuracies in the order of COLUMNS, and a remark."""
    images = held_out(read_config(run / "config.yaml"), (), "b")
    columns = accuracies(run, images, "a" if source_only else "b")
    last, _, best = (column.scores for column in columns)
    counted = sum(len(labels) for _, labels in images.labelled("b"))
    remark = f"source {last[1].value:.4f}; {columns[2].title} at step-{columns[2].step:09d} with {best[1].value:.4f}"
    return f"{' -> '.join(images.names)} ({counted})", [column.scores[0].value for column in columns], remark


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
