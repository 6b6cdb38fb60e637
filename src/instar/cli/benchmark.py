"""`instar benchmark`: a grid of runs, trained and scored with one command that can be stopped and repeated."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console
from tyro.conf import Positional, arg

from instar.cli.parser import console, parse
from instar.core.config import to_yaml
from instar.core.errors import UserError, nearest
from instar.core.files import write_atomically
from instar.core.settings import within
from instar.sweeps.launch import STOPPED, Outcome, Training, run_here, run_on_ray

if TYPE_CHECKING:
    from instar.metrics.extractors import Extractor
    from instar.sweeps.spec import Grid, Job


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

    def __post_init__(self) -> None:
        within("jobs", self.jobs, 1, None)
        within("threads", 1 if self.threads is None else self.threads, 1, None)
        if self.ray and self.jobs > 1:
            raise UserError("--jobs is for this machine; with --ray the cluster decides how many run side by side")


def run(arguments: Sequence[str]) -> int:
    """Train what is not finished, write the tables, and return 0; 1 if runs failed, 130 if it was stopped."""
    args = parse(Benchmark, arguments, "instar benchmark")
    from instar.metrics.extractors import load_extractor
    from instar.sweeps.spec import read_grid, standing

    grid = read_grid(args.spec)
    names = list(dict.fromkeys(job.name for job in grid.jobs))
    for name in args.only:
        if name not in names:
            raise UserError(f"--only {name}: no such run in {args.spec}{nearest(name, names)}")
    steps = {job.title: standing(job) for job in grid.jobs}
    if args.dry_run:
        for job in grid.jobs:
            print(f"{job.title}: {_stands(job, steps[job.title])}")
        return 0
    extractor = load_extractor(grid.extractor, grid.weights)  # before hours of training: it may be missing
    screen = console()
    left = [
        job
        for job in grid.jobs
        if (not args.only or job.name in args.only) and steps[job.title] != job.config.train.steps
    ]
    outcomes = _train(left, steps, args, screen) if left else []
    failed = [outcome for outcome in outcomes if outcome.code and not outcome.stopped]
    for outcome in failed:
        _say(screen, f"failed: {outcome.title} (exit code {outcome.code}): {outcome.said}")
    again = f"instar benchmark {args.spec}"
    if any(outcome.stopped for outcome in outcomes):
        _say(screen, f"stopped; go on with: {again}")
        return STOPPED
    for data in dict.fromkeys(job.data for job in grid.jobs):
        _table(grid, data, extractor, args, screen)
    if failed:
        _say(screen, f"{len(failed)} of {len(left)} runs failed; try them again with: {again}")
    return 1 if failed else 0


def _train(left: list[Job], steps: dict[str, int | None], args: Benchmark, screen: Console) -> list[Outcome]:
    for job in left:
        _say(screen, f"{job.title}: {_stands(job, steps[job.title])}")
    trainings = [_training(job, fresh=steps[job.title] is None) for job in left]

    def say(line: str) -> None:
        _say(screen, line)

    if args.ray:
        return run_on_ray(trainings, args.ray, args.threads, say)
    threads = args.threads
    if threads is None and args.jobs > 1 and "OMP_NUM_THREADS" not in os.environ:
        threads = max(1, _cores() // args.jobs)
    return run_here(trainings, args.jobs, threads, say)


def _training(job: Job, *, fresh: bool) -> Training:
    """Return the command for a run, after writing the settings of a new one beside its folder."""
    arguments = ["train", "--resume", str(job.folder)]
    if fresh:
        settings = job.folder.with_suffix(".yaml")
        try:
            settings.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(settings, to_yaml(job.config).encode())
        except OSError as error:
            raise UserError(f"{settings}: cannot be written ({error.strerror})") from error
        arguments = ["train", "--config", str(settings), "-o", str(job.folder)]
    train = job.config.train
    gpus = {"cuda": train.devices, "auto": None}.get(train.device, 0)
    return Training(job.title, tuple(arguments), job.folder.with_suffix(".log"), gpus)


def _table(grid: Grid, data: str, extractor: Extractor, args: Benchmark, screen: Console) -> None:
    """Score the finished runs of a data set and write its table."""
    from instar.evaluation.compare import compare, strip
    from instar.reports.compare import write
    from instar.sweeps.spec import standing

    done, missing = [], []
    for job in (job for job in grid.jobs if job.data == data):
        step = standing(job)
        if step == job.config.train.steps:
            done.append(job)
        else:
            missing.append(f"{job.name}, seed {job.config.train.seed}: {_stands(job, step)}")
    if not done:
        _say(screen, f"{data}: no run is finished, so there is no table")
        return
    roots = done[0].config.data.roots
    with screen.status("loading") as status:
        found = compare(
            [job.folder for job in done],
            roots,
            extractor=extractor,
            titles=[job.name for job in done],
            device=args.device,
            tick=lambda what: status.update(f"measuring: {what}"),
        )
        strips = {row.title: strip(Path(row.runs[0]), roots, None, args.device) for row in found.rows}
    notes = [*found.notes, *missing, f"Made by: instar benchmark {args.spec.name}"]
    print(write(replace(found, notes=notes), strips, grid.out / data), end="\n\n")
    _say(screen, f"written: {grid.out / data / 'table.html'}")


def _stands(job: Job, step: int | None) -> str:
    steps = job.config.train.steps
    if step is None:
        return f"new, {steps:,} steps"
    return "done" if step == steps else f"step {step:,} of {steps:,}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _say(screen: Console, line: str) -> None:
    screen.print(line, markup=False, highlight=False, soft_wrap=True)
