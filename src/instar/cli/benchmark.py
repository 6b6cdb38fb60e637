"""`instar benchmark`: a grid of runs, trained and scored with one command that can be stopped and repeated."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from instar.cli.parser import console, parse
from instar.cli.progress import Screen, say
from instar.cli.signals import stop_on_signals
from instar.sweeps.launch import STOPPED


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Train the runs of a grid and write their table. Finished runs are skipped, interrupted ones go on."""

    spec: Annotated[Positional[Path], arg(metavar="SPEC.yaml")]
    """The grid: out, data, runs, seeds, images, common, score (see the page on evaluating). Paths in it are relative
    to its folder."""
    dry_run: bool = False
    """List the runs and where they stand; train and write nothing."""
    only: Annotated[tuple[str, ...], arg(metavar="NAME...")] = ()
    """Train these runs of the spec and leave the others as they are; the tables hold all that are finished."""
    jobs: int = 1
    """Runs side by side on this machine. Their minutes do not compare with those of runs that were alone."""
    threads: int | None = None
    """CPU threads of each run; its share of the cores if --jobs is above 1. With --ray, the CPUs reserved for it."""
    ray: Annotated[str | None, arg(metavar="ADDRESS")] = None
    """Run on a Ray cluster: auto, HOST:PORT, ray://HOST:PORT, or local for this machine alone."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to score; where to train is said in the spec, train.device."""
    allow_code: bool = False
    """Run the code that the spec names: an extractor module.path:callable."""


def run(arguments: Sequence[str]) -> int:
    """Train what is not finished, write the tables, and return 0; 1 if runs failed, 130 if it was stopped."""
    args = parse(Benchmark, arguments, "instar benchmark")
    from instar.api.benchmark import benchmark
    from instar.reports.compare import summary

    screen = console()
    stop = threading.Event()
    with Screen(screen) as on_event, stop_on_signals(stop):
        result = benchmark(
            args.spec,
            only=args.only,
            dry_run=args.dry_run,
            jobs=args.jobs,
            threads=args.threads,
            ray=args.ray,
            device=args.device,
            allow_code=args.allow_code,
            on_event=on_event,
            stop=stop,
        )
    if args.dry_run:
        for state in result.runs:
            print(f"{state.title}: {state.words}")
        return 0
    again = f"instar benchmark {args.spec}{' --allow-code' * args.allow_code}"
    if result.stopped:
        say(screen, f"stopped; go on with: {again}")
        return STOPPED
    for table in result.tables.values():
        print(summary(table.comparison), end="\n\n")
        say(screen, f"written: {table.folder / 'table.html'}")
    if result.failed:
        say(screen, f"{len(result.failed)} of {len(result.outcomes)} runs failed; try them again with: {again}")
        return 1
    return 0
