"""Runs side by side on the same held-out images; runs that differ only by their seed make one row with its spread."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import mean, stdev

import torch
from torch import Tensor
from torchvision.utils import make_grid

from instar.core import registry
from instar.core.config import RunConfig, to_yaml
from instar.core.errors import Message, UserError, setting
from instar.core.evenly import evenly
from instar.core.events import Listener, ignore
from instar.core.method import outline
from instar.core.run import find_checkpoint, read_config, read_training
from instar.evaluation.held_out import held_out
from instar.evaluation.own_features import refuse_own_features
from instar.evaluation.progress import part_of
from instar.evaluation.report import BEST, COPY, REAL, Column, Report
from instar.evaluation.runs import evaluate_run
from instar.evaluation.score import Better
from instar.evaluation.verdict import verdict
from instar.inference.translator import Translator
from instar.metrics.extractors import Extractor

SHOWN = 8
"""Images in a strip."""


@dataclass(frozen=True)
class Cell:
    """A score over the runs of a row."""

    mean: float
    spread: float | None
    """Standard deviation over the seeds, where there are several."""
    low: float | None = None
    """95 % interval over the choice of test images, of a single run."""
    high: float | None = None


@dataclass(frozen=True)
class Weights:
    """The scores of one choice of weights: the last ones, or those that were best on the validation images."""

    images: tuple[int, ...]
    """Seen in training up to there, per domain, by each run: steps times batch."""
    minutes: float | None
    """Of training up to there; the mean over the runs."""
    cells: dict[str, Cell]
    verdict: str = ""
    """The scores in words (`instar.evaluation.verdict`), where there are enough of them."""


@dataclass(frozen=True)
class Row:
    """A method with its settings; several seeds of it are one row."""

    title: str
    seeds: tuple[int, ...]
    last: Weights
    best: Weights | None
    """None where a run was not scored while it trained, or its best checkpoint is gone."""
    memory: int | None
    """Most bytes that a run held in training; the largest of the runs."""
    parameters: int
    """Of all networks of the training."""
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side."""

    direction: str
    protocol: str
    copy: dict[str, Cell]
    """The scores of the inputs themselves."""
    rows: list[Row]
    better: dict[str, Better]
    """lower, higher or nothing, for each score."""
    notes: list[Message]
    real: dict[str, Cell] = field(default_factory=dict)
    """The scores of real images of the target in the place of translations, those that they have."""

    def as_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), indent=1)


def compare_runs(
    runs: Sequence[Path],
    roots: Sequence[Path] = (),
    *,
    extractor: Extractor | None,
    titles: Sequence[str] = (),
    to: str | None = None,
    device: str = "auto",
    on_event: Listener = ignore,
) -> Comparison:
    """Evaluate runs on the same images.

    Args:
        runs: run directories or checkpoints, one or more.
        titles: one for each run; runs of one title make a row. Named after method and preset if empty, and runs that
            differ only by their seed make a row.
        roots: the images; the first run's own test images if empty.
        extractor: of the features in which distances are taken.
        to: domain to translate into.
        device: where to compute.
        on_event: told of all that is measured (`Worked`).

    Raises:
        UserError: the runs work at different sizes or in different directions, so that no number compares.
    """
    configs = [read_config(find_checkpoint(run) / "config.yaml") for run in runs]
    if extractor:
        for config in configs:
            refuse_own_features(config, extractor)
    sizes = {config.data.size: run for config, run in zip(configs, runs, strict=True)}
    if len(sizes) > 1:
        said = ", ".join(f"{run} at {size} px" for size, run in sizes.items())
        raise UserError(f"runs of different sizes do not compare: {said}")
    shared = tuple(roots) or configs[0].data.roots
    reports = [
        evaluate_run(run, shared, extractor=extractor, to=to, device=device, on_event=part_of(on_event, run))
        for run in runs
    ]
    directions = {report.direction: report.run for report in reports}
    if len(directions) > 1:
        said = ", ".join(f"{run} {direction}" for direction, run in directions.items())
        raise UserError(f"runs of different directions do not compare: {said}; choose one with {setting('to')}")
    groups: dict[str, list[int]] = {}
    for i, config in enumerate(configs):
        groups.setdefault(titles[i] if titles else _settings(config), []).append(i)
    columns = [column for report in reports for column in report.columns]
    copy, real = (_cells([column for column in columns if column.title == title][:1]) for title in (COPY, REAL))
    rows = [
        _row(
            title if titles else f"{configs[of[0]].name}, {configs[of[0]].preset}",
            [configs[i] for i in of],
            [reports[i] for i in of],
            copy,
            real,
        )
        for title, of in groups.items()
    ]
    return Comparison(
        direction=reports[0].direction,
        protocol=reports[0].protocol,
        copy=copy,
        real=real,
        rows=_distinguished(rows),
        better={score.name: score.better for column in columns for score in column.scores},
        notes=list(dict.fromkeys(note for report in reports for note in report.notes)),
    )


def strips(
    found: Comparison, roots: Sequence[Path] = (), to: str | None = None, device: str = "auto"
) -> dict[str, Tensor]:
    """Return a picture for each row by its title, as `strip` does, of the images on which the runs were compared."""
    runs = [Path(row.runs[0]) for row in found.rows]
    shared = tuple(roots) or read_config(find_checkpoint(runs[0]) / "config.yaml").data.roots
    return {row.title: strip(run, shared, to, device) for row, run in zip(found.rows, runs, strict=True)}


def strip(run: Path, roots: Sequence[Path], to: str | None, device: str = "auto") -> Tensor:
    """Return a picture (3, H, W) in [0, 1]: held-out images, spread evenly over the files, above their translations."""
    translator = Translator.load(run, device)
    config = read_config(find_checkpoint(run) / "config.yaml")
    found = held_out(config, tuple(roots), translator.domain(to))
    places = evenly(range(len(found.inputs)), SHOWN)
    targets = [found.targets[i] for i in places] if found.paired else list(found.targets)
    few = replace(found, inputs=[found.inputs[i] for i in places], targets=targets)
    x, made = [], []
    for inputs, _ in few.batches():
        x.append(inputs)
        made.append(translator.tensors(inputs, translator.domain(to)))
    tiles = torch.cat([*x, *made]).clamp(-1, 1).add(1).div(2)
    picture: Tensor = make_grid(tiles.expand(-1, 3, -1, -1), nrow=sum(len(part) for part in x), pad_value=1.0)
    return picture


def _settings(config: RunConfig) -> str:
    """Return all settings but the seed and what does not change the result."""
    train = replace(config.train, seed=0, log_every=1, preview_every=1, save_every=1, keep=0, device="auto")
    return to_yaml(replace(config, train=train, data=replace(config.data, roots=())))


def _row(
    title: str, configs: list[RunConfig], reports: list[Report], copy: Mapping[str, Cell], real: Mapping[str, Cell]
) -> Row:
    last = [next(column for column in report.columns if column.title not in (COPY, REAL)) for report in reports]
    best = [next((column for column in report.columns if BEST in column.title), None) for report in reports]
    there = [column for column in best if column is not None]
    folders = [find_checkpoint(Path(report.run)) for report in reports]
    method = outline(registry.get(configs[0].name), configs[0].method)
    peaks = [read_training(folder).get("memory", 0) for folder in folders]
    return Row(
        title=title,
        seeds=tuple(config.train.seed for config in configs),
        last=_weights(configs, last, copy, real),
        best=_weights(configs, there, copy, real) if len(there) == len(reports) else None,
        memory=max(peaks) or None,
        parameters=sum(p.numel() for p in method.parameters()),
        runs=tuple(report.run for report in reports),
    )


def _weights(
    configs: list[RunConfig], columns: list[Column], copy: Mapping[str, Cell], real: Mapping[str, Cell]
) -> Weights:
    steps = [column.step or config.train.steps for config, column in zip(configs, columns, strict=True)]
    minutes = [column.minutes for column in columns if column.minutes is not None]
    cells = _cells(columns)
    return Weights(
        images=tuple(step * config.train.batch for step, config in zip(steps, configs, strict=True)),
        minutes=mean(minutes) if minutes else None,
        cells=cells,
        verdict=verdict(*({name: cell.mean for name, cell in part.items()} for part in (cells, copy, real))),
    )


def _distinguished(rows: list[Row]) -> list[Row]:
    """Return the rows with the names of their runs in the title where method and preset are the same."""
    titles = [row.title for row in rows]
    return [
        replace(row, title=f"{row.title}, {Path(row.runs[0]).name}") if titles.count(row.title) > 1 else row
        for row in rows
    ]


def _cells(columns: Sequence[Column]) -> dict[str, Cell]:
    if not columns:
        return {}
    scores = [{score.name: score for score in column.scores} for column in columns]
    cells = {}
    for name, score in scores[0].items():
        values = [one[name].value for one in scores if name in one]
        single = len(values) == 1
        spread = None if single else stdev(values)
        cells[name] = Cell(mean(values), spread, score.low if single else None, score.high if single else None)
    return cells
