"""The drawn sets of `benchmarks/kinds.yaml`, and the steps that each of its methods does in equal time.

    python benchmarks/kinds.py draw FOLDER
    python benchmarks/kinds.py steps --minutes 5

`draw` writes each kind, easy and cluttered, at 64 px: 400 images of each domain to train on and 100 to test on, a set
in a minute or two; sets that are there stay. `steps` trains each run of the file for ten steps on random images in
memory, and prints how many it does in so many minutes of one core, by the time of the processor: what other programs
take does not count.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch
import yaml

from instar.core import registry
from instar.core.config import RunConfig
from instar.core.method import defaults
from instar.core.settings import with_changes
from instar.data.drawn.kinds import KINDS
from instar.testing.runs import build, source_for, trainer

SPEC = Path(__file__).with_name("kinds.yaml")
LEVELS = ("easy", "cluttered")
WARM, TIMED = 2, 8
"""Steps before the clock starts, and those that are timed."""
ROUND = 100
"""Steps are multiples of this."""


def draw(folder: Path) -> None:
    """Draw what is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, level in product(KINDS, LEVELS):
        if not (folder / f"{kind}-{level}").exists():
            out = str(folder / f"{kind}-{level}")
            subprocess.run(
                [sys.executable, "-m", "instar.data.drawn", kind, out, level, "64", "400", "100"], check=True
            )


def steps(minutes: float) -> dict[str, int]:
    """Return, by the runs' names, the steps in so many minutes of one core."""
    torch.set_num_threads(1)
    spec = yaml.safe_load(SPEC.read_text())
    found = {}
    for name, own in spec["runs"].items():
        method = own.get("name", name)
        config = defaults(method, registry.get(method), own.get("preset", spec["common"]["preset"]))
        config = with_changes(config, {"train": {"precision": spec["common"]["train"]["precision"], "device": "cpu"}})
        found[name] = max(1, round(60 * minutes / seconds_of_a_step(config) / ROUND)) * ROUND
        print(f"{name}: {found[name]} steps", flush=True)
    return found


def seconds_of_a_step(config: RunConfig) -> float:
    """Return the processor's time for a step of a training, the mean of eight, as penalties come each eighth."""
    config = replace(config, train=replace(config.train, steps=WARM + TIMED))
    method, source = build(config), source_for(config)
    with tempfile.TemporaryDirectory() as folder:
        training = trainer(config, Path(folder), method, source)
        for step in range(WARM):
            training.train_step(source.batch(step))
        began = time.process_time()
        for step in range(WARM, WARM + TIMED):
            training.train_step(source.batch(step))
        return (time.process_time() - began) / TIMED


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("draw").add_argument("folder", type=Path)
    commands.add_parser("steps").add_argument("--minutes", type=float, default=10.0)
    args = parser.parse_args()
    if args.command == "draw":
        draw(args.folder)
    else:
        steps(args.minutes)


if __name__ == "__main__":
    main()
