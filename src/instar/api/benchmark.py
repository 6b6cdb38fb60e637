"""A grid of runs, trained and scored with one call that can be stopped and repeated."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from instar.api.paths import AnyPath, naming_out
from instar.core.errors import Message, UserError, nearest, setting
from instar.core.events import Event, Listener, Stop, ignore, note, warning

if TYPE_CHECKING:
    from instar.evaluation.compare import Comparison
    from instar.metrics.extractors import Extractor
    from instar.sweeps.launch import Outcome
    from instar.sweeps.spec import Grid, Job
    from instar.sweeps.states import RunState


@dataclass(frozen=True)
class BenchmarkTable:
    """The finished runs of a data set side by side."""

    folder: Path
    """With table.md, table.html, scores.json and strips of pictures."""
    comparison: Comparison


@dataclass(frozen=True)
class BenchmarkResult:
    """What `benchmark` did."""

    runs: list[RunState]
    """Every run of the grid and where it stands now."""
    outcomes: list[Outcome]
    """How each training ended that was begun, or was to be begun."""
    tables: dict[str, BenchmarkTable]
    """By data set; one without a finished run has none."""
    stopped: bool = False
    """Whether something was left because `stop` was set."""

    @property
    def failed(self) -> list[Outcome]:
        """The trainings that failed."""
        return [outcome for outcome in self.outcomes if outcome.code and not outcome.stopped]


class _Stopped(Exception):  # noqa: N818  (not an error)
    """Ends the scoring, once `stop` is set."""


def benchmark(  # noqa: PLR0913  (as the command line has flags)
    spec: AnyPath,
    *,
    only: Sequence[str] = (),
    dry_run: bool = False,
    jobs: int = 1,
    threads: int | None = None,
    ray: str | None = None,
    device: str = "auto",
    allow_code: bool = False,
    on_event: Listener | None = None,
    stop: Stop | None = None,
) -> BenchmarkResult:
    """Train the runs of a grid and write their tables. Finished runs are skipped, interrupted ones go on.

    Each run is a process of its own, so that memory and crashes are each one's own.

    Args:
        spec: the grid, a YAML file: out, data, runs, seeds, images, common, score (`instar.sweeps.spec.Spec`). Paths in
            it are relative to its folder.
        only: names of runs to train; the others are left as they are. The tables hold all that are finished.
        dry_run: tell where the runs stand; train and write nothing.
        jobs: runs side by side on this machine. Their minutes do not compare with those of runs that were alone.
        threads: CPU threads of each run; its share of the cores if `jobs` is above 1. With `ray`, the CPUs reserved for
            it.
        ray: run on a Ray cluster: "auto", "HOST:PORT", "ray://HOST:PORT", or "local" for this machine alone.
        device: where to score: auto, cpu, cuda or mps; where to train is said in the spec, train.device.
        allow_code: run the code that the spec names: an extractor module.path:callable.
        on_event: told what the trainings print (`Noted`) and how far the scores are (`Worked`).
        stop: once it is set, each training finishes its step and saves, and no table is written any more. A
            `threading.Event` is one.

    Raises:
        UserError: the spec is wrong, or a run was trained with other settings than it says.
    """
    from instar.core.settings import Bounds
    from instar.sweeps.spec import read_grid
    from instar.sweeps.states import state_of

    Bounds(1).check("jobs", jobs)
    if threads is not None:
        Bounds(1).check("threads", threads)
    if ray and jobs > 1:
        cluster = f"with {setting('ray')} the cluster decides how many run side by side"
        raise UserError(f"{setting('jobs')} is for this machine; {cluster}")
    path, listen = Path(spec), ignore if on_event is None else on_event
    grid = read_grid(path)
    _check_only(only, grid, path)
    states = [state_of(job) for job in grid.jobs]
    if dry_run:
        return BenchmarkResult(states, [], {})
    if not allow_code:
        _check_code(grid, path)
    extractor = _extractor(grid)  # before hours of training: it may be missing
    left = [
        (job, state)
        for job, state in zip(grid.jobs, states, strict=True)
        if not state.done and (not only or job.name in only)
    ]
    asked = threading.Event() if stop is None else stop
    outcomes = _train(left, jobs, threads, ray, listen, asked, allow_code=allow_code) if left else []
    result = BenchmarkResult([state_of(job) for job in grid.jobs] if left else states, outcomes, {})
    for outcome in result.failed:
        listen(warning(f"failed: {outcome.title} (exit code {outcome.code}): {outcome.said}"))
    tables: dict[str, BenchmarkTable] = {}
    try:
        for data, table in _tables(result.runs, grid, extractor, device, path, _until(asked, listen)):
            tables[data] = table
    except _Stopped:
        return replace(result, tables=tables, stopped=True)
    return replace(result, tables=tables)


def _until(stop: Stop, listen: Listener) -> Listener:
    """Return a listener that ends the work once `stop` is set."""

    def listener(event: Event) -> None:
        if stop.is_set():
            raise _Stopped
        listen(event)

    return listener


def _check_only(only: Sequence[str], grid: Grid, path: Path) -> None:
    names = list(dict.fromkeys(job.name for job in grid.jobs))
    for name in only:
        if name not in names:
            raise UserError(f"{setting('only', name)}: no such run in {path}{nearest(name, names)}")


def _check_code(grid: Grid, path: Path) -> None:
    from instar.api.directory import check_code, untrusted
    from instar.core.config import names_code

    if names_code(grid.extractor):
        raise untrusted(setting("extractor", grid.extractor), path)
    for job in grid.jobs:
        check_code(job.config, path)


def _extractor(grid: Grid) -> Extractor:
    from instar.metrics.extractors import load_extractor

    return load_extractor(grid.extractor, grid.weights)


def _train(
    left: Sequence[tuple[Job, RunState]],
    jobs: int,
    threads: int | None,
    ray: str | None,
    listen: Listener,
    stop: Stop,
    *,
    allow_code: bool,
) -> list[Outcome]:
    from instar.sweeps.launch import run_here, run_on_ray
    from instar.sweeps.states import share_of_threads, training_of

    def say(line: str) -> None:
        listen(note(line))

    for _, state in left:
        say(f"{state.title}: {state.words}")
    trainings = [training_of(job, state, allow_code=allow_code) for job, state in left]
    if ray:
        return run_on_ray(trainings, ray, threads, say, stop)
    return run_here(trainings, jobs, share_of_threads(jobs) if threads is None else threads, say, stop)


def _tables(
    states: Sequence[RunState], grid: Grid, extractor: Extractor, device: str, path: Path, listen: Listener
) -> Iterator[tuple[str, BenchmarkTable]]:
    """Score the finished runs of each data set and write their tables."""
    from instar.evaluation.compare import compare_runs, strips
    from instar.reports.compare import write

    for data in dict.fromkeys(state.data for state in states):
        runs = [state for state in states if state.data == data]
        done = [run for run in runs if run.done]
        if not done:
            listen(note(f"{data}: no run is finished, so there is no table"))
            continue
        roots = next(job.config.data.roots for job in grid.jobs if job.data == data)
        found = compare_runs(
            [run.folder for run in done],
            roots,
            extractor=extractor,
            titles=[run.name for run in done],
            device=device,
            on_event=listen,
        )
        missing = [f"{run.name}, seed {run.seed}: {run.words}" for run in runs if not run.done]
        told = [Message(line) for line in [*missing, f"Benchmark: {path.name}"]]
        found = replace(found, notes=[*found.notes, *told])
        pictures = strips(found, roots, None, device)
        with naming_out(grid.out / data):
            write(found, pictures, grid.out / data)
        yield data, BenchmarkTable(grid.out / data, found)
