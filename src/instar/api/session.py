"""A training from its settings to its end: data, method, trainer, and what is written. The commands use it as well."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instar.api import directory, processes
from instar.api.advice import Advice
from instar.api.budget import within
from instar.api.remarks import Estimate, Losses, about_images, about_precision, about_result
from instar.core import registry
from instar.core.batch import Domain
from instar.core.config import RunConfig
from instar.core.errors import Speller, UserError, in_python, setting
from instar.core.events import (
    Event,
    Finished,
    Listener,
    Listeners,
    Scored,
    Started,
    Stop,
    Worked,
    ignore,
    note,
    warning,
)
from instar.core.files import write_atomically
from instar.core.formats import DomainFormat
from instar.core.method import Method, build
from instar.core.run import CONFIG, IMAGES, read_config, run_of, write_config
from instar.data import Data, open_data, with_number_of_domains
from instar.data.fingerprint import fingerprint
from instar.engine import parallel
from instar.engine.checkpoint import processes_of
from instar.engine.computing import set_up
from instar.engine.masks import limit_to_masks
from instar.engine.start import pinned, take_over
from instar.engine.trackers import boards, check_logger
from instar.engine.trainer import Trainer
from instar.engine.writers import Log, Metrics
from instar.evaluation.watching import WATCHED, Watcher
from instar.reports.view import COPIES, ViewPage

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from instar.evaluation.validation import ValidationScores

SAMPLES = 8
"""Held-out images of each domain in the sample pictures."""
_WITH_ADAM = 4
"""Numbers for each weight: itself, its gradient and Adam's two averages."""


def begin(
    config: RunConfig,
    out: str | PathLike[str],
    on_event: Listener,
    stop: Stop,
    speller: Speller = in_python,
    *,
    budget: float | None = None,
) -> None:
    """Train a new run in `out`, a directory that is new or empty.

    Args:
        config: of the run.
        out: its directory.
        on_event: told what happens, in this thread.
        stop: asked after every step.
        speller: writes settings and calls in run.log.
        budget: seconds that the run may take, instead of the steps in `config`.

    Raises:
        UserError: the settings, the images or `out` cannot be used, or the run cannot go on.
    """
    folder = Path(out)
    if parallel.is_main(config.train):
        directory.check_unused(folder)
    config = with_number_of_domains(config)
    said: tuple[str, ...] = ()
    if budget is not None:
        on_event(Worked("measuring steps", 0, 0))
        config, lines = within(config, budget, folder)
        said = tuple(line.raw for line in lines)
    _train(processes.Job(config, folder, True, speller, said=said), on_event, stop)


def go_on(
    run: str | PathLike[str],
    on_event: Listener,
    stop: Stop,
    speller: Speller = in_python,
    *,
    steps: int | None = None,
    devices: int | None = None,
    allow_changes: bool = False,
    allow_code: bool = False,
) -> None:
    """Train a run on from a checkpoint, as `begin` does.

    Args:
        run: its directory, for the last checkpoint, or one of its checkpoints.
        on_event: as of `begin`.
        stop: as of `begin`.
        speller: as of `begin`.
        steps: new length of the whole run; that in its config.yaml if None.
        devices: processes from here on; those in its config.yaml if None.
        allow_changes: go on although settings or images are not those of the checkpoint.
        allow_code: run the code that its config.yaml names.

    Raises:
        UserError: `run` is no run directory, its files are damaged, or as `begin`.
    """
    folder, chosen = run_of(Path(run))
    config = read_config(folder / CONFIG)
    if not allow_code:
        directory.check_code(config, folder / CONFIG)
    given = {"steps": steps, "devices": devices}
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    config = replace(config, train=replace(config.train, **changed))
    start = directory.last_of(folder, chosen)
    changes = directory.check_settings(config, folder, start) if start else ""
    if start and changes and not allow_changes:
        raise directory.refused(changes, folder, start)
    _train(processes.Job(config, folder, False, speller, chosen, allow_changes), on_event, stop)


def work(job: processes.Job, on_event: Listener, stop: Stop, *, spawned: bool = False) -> None:
    """Train in this process, alone or as one of several.

    Args:
        job: what to train.
        on_event: told what happens; of several processes, others than the first tell `Started` and `Finished` only.
        stop: asked after every step.
        spawned: this process was started for this job, see `parallel.launched`.
    """
    config, out = job.config, job.out
    with ExitStack() as held, parallel.launched(config.train, spawned=spawned) as fabric:
        if not spawned:  # else the process that started this one knows which has gone
            held.enter_context(parallel.among_others(fabric, out))
        check_logger(config.train)
        if fabric.is_global_zero and not job.fresh:
            held.enter_context(directory.owned(out))
        with fabric.rank_zero_first():  # the first process decodes the images, the others find its cache
            data = opened(config, fabric, on_event, fresh=job.fresh)
        on_cpu = fabric.device.type == "cpu"
        method, said = built(config, fabric)
        config = pinned(config) if job.fresh else config
        start = directory.last_of(out, job.checkpoint)
        began = processes_of(start, fabric) if start else take_over(method, config)
        config, computed = set_up(fabric, method, config, data.train, out)
        scorer = _scorer(config, data) if config.train.score_every and fabric.is_global_zero else None
        config = replace(config, data=config.data.named(data.found.names), formats=_kept(data.formats))
        images, changes = _images(data, fabric, job, start, held)
        if fabric.is_global_zero and job.fresh:
            held.enter_context(directory.made(config, out))
        fabric.barrier()
        listeners = Listeners()
        held.callback(listeners.clear)
        advice = Advice(config, method, data.found.names, listeners)
        with boards(config, out, listeners) as shown:
            if fabric.is_global_zero:
                page = ViewPage(out, listeners, job.speller)
                listeners.add(Log(out, listeners, job.speller), Metrics(out, listeners), *shown)
                listeners.add(*([_Copies(scorer, out)] if scorer else []), page, on_event)
                for event in _first_words(fabric, data, config, (*job.said, said, began, *computed), changes):
                    listeners(event)
                listeners.add(Losses(data.train.lost, listeners))
                listeners.add(_Settings(config, out))
                listeners.add(advice)
                if on_cpu:
                    listeners.add(Estimate(config, listeners))
            else:
                listeners.add(lambda event: on_event(event) if isinstance(event, (Started, Finished)) else None)
            training = Trainer(
                fabric,
                method,
                config,
                out,
                data.train,
                data.samples(SAMPLES),
                scorer,
                listeners,
                watcher=Watcher(lambda: data.samples(WATCHED), data.train.stores, config.data.size, config.train.seed),
                start=job.checkpoint,
                attached=_Attached({IMAGES: images}),
            )
            training.fit(stop)
            measured = advice.last if training.step == config.train.steps else {}
            for event in about_result(data.found.names, scorer.verdicts if scorer else {}, measured):
                listeners(event)


def _first_words(fabric: Fabric, data: Data, config: RunConfig, said: Sequence[str], changes: str) -> Iterator[Event]:
    """Give what a user should read before the first step."""
    yield note(parallel.describe(fabric, config.train.precision, config.train.seed))
    yield from about_images(data, config)
    imitated = about_precision(config.train.precision, fabric.device.type)
    for line in filter(None, (*said, imitated)):
        yield note(line)
    if changes:
        yield warning(changes)


class _Copies:
    """Writes, once, what copies of the inputs score on the validation images: the page draws it."""

    def __init__(self, scorer: ValidationScores, out: Path) -> None:
        self._scorer, self._out = scorer, out

    def __call__(self, event: Event) -> None:
        if isinstance(event, Scored) and not (self._out / COPIES).exists():
            with suppress(OSError):
                write_atomically(self._out / COPIES, json.dumps(self._scorer.copies).encode())


class _Settings:
    """Writes config.yaml where a run goes on with other settings: once it is clear that it can."""

    def __init__(self, config: RunConfig, out: Path) -> None:
        self._config, self._out = config, out

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            with suppress(UserError):
                if read_config(self._out / CONFIG) == self._config:
                    return
            try:
                write_config(self._config, self._out)
            except OSError as error:
                raise UserError(f"{self._out / CONFIG}: cannot be written ({error.strerror})") from error


def _train(job: processes.Job, on_event: Listener, stop: Stop) -> None:
    config = job.config
    if config.train.devices > 1 and not parallel.from_outside(config.train):
        parallel.check_devices(config.train)
        processes.run(job, on_event, stop)
    else:
        work(job, on_event, stop)


def opened(config: RunConfig, fabric: Fabric, on_event: Listener, *, fresh: bool) -> Data:
    """Return the images of a run, this process's part of each batch; `fresh` if their formats are to be found."""
    kind = registry.get(config.name).kind_of(config.method)
    roots, rank, world = config.data.roots, fabric.global_rank, fabric.world_size
    if not roots:
        raise UserError("no data set given: name its folder, or one folder per domain")
    cfg = config.train
    return open_data(
        config.data,
        {domain: config.method.channels_of(domain) for domain in kind.parts},
        kind,
        cfg.batch,
        cfg.seed,
        rank=rank,
        world=world,
        formats=None if fresh else config.formats,
        on_event=ignore if rank else on_event,
    )


def built(config: RunConfig, fabric: Fabric) -> tuple[Method[Any], str]:
    """Return the method of a run with its initial weights, and what a user should know of it.

    Raises:
        UserError: it cannot be trained with these settings.
    """
    copies = _WITH_ADAM if fabric.device.type == "cpu" else 1
    method = build(registry.get(config.name), config.method, config.train.seed, copies=copies)
    size = config.data.size
    if size % method.size_divisor:
        needs = f"{config.name} with these options needs a multiple of {method.size_divisor}"
        raise UserError(f"{setting('data.size', size)}: {needs}")
    limit_to_masks(method, config)
    return method, method.check(config)


def _images(
    data: Data, fabric: Fabric, job: processes.Job, start: Path | None, held: ExitStack
) -> tuple[Callable[[], bytes], str]:
    """Return what gives the fingerprint of the training images, and how they differ from those of `start`.

    Nothing waits for it before the first checkpoint, if there is none to compare with.
    """
    if not fabric.is_global_zero:
        return bytes, ""
    pool = ThreadPoolExecutor(1, "instar-fingerprint")
    images = pool.submit(fingerprint, data.found)
    held.callback(lambda: pool.shutdown(wait=images.done()))  # an error does not wait until a large set is read
    different = directory.check_images(images.result(), start) if start else ""
    changes = f"the training images of {job.out} have changed: {different}" if different else ""
    if start and changes and not job.allow_changes:
        raise directory.refused(changes, job.out, start)
    return images.result, changes


class _Attached(Mapping[str, bytes]):
    """Files for each checkpoint, whose content is asked for when it is written."""

    def __init__(self, contents: Mapping[str, Callable[[], bytes]]) -> None:
        self._contents = contents

    def __getitem__(self, name: str) -> bytes:
        return self._contents[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._contents)

    def __len__(self) -> int:
        return len(self._contents)


def _kept(formats: Mapping[Domain, DomainFormat]) -> tuple[DomainFormat, ...]:
    """Return the formats that a run remembers: none where all are plain."""
    found = tuple(formats.values())
    return () if all(form.plain for form in found) else found


def _scorer(config: RunConfig, data: Data) -> ValidationScores:
    from instar.evaluation.own_features import refuse_own_features
    from instar.evaluation.validation import (
        ValidationScores,
        extractor_of,
    )  # (seconds of import, for runs that are scored)

    refuse_own_features(config, config.train.score_with)
    extractor = extractor_of(config.train.score_with)
    found = data.found
    return ValidationScores(
        extractor, found.val, data.formats, config.data.size, config.train.seed, training=found.train
    )
