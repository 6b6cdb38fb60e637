"""Training from Python."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instar.core.duration import seconds_of
from instar.core.errors import Message, UserError, setting
from instar.core.events import (
    Event,
    Finished,
    Listener,
    Logged,
    Noted,
    Pictured,
    Scored,
    Started,
    Stop,
    ignore,
)

if TYPE_CHECKING:
    from instar.core.config import Device, RunConfig
    from instar.core.method import Method


@dataclass(frozen=True)
class TrainResult:
    """How a training ended.

    Attributes:
        run: the run directory, for `instar.load`, `instar.resume` and all others.
        method: name of the method.
        step: steps done.
        steps: length of the whole run.
        finished: whether `step` is the end of the run; if not, it was stopped.
        seconds: of training, those before it was resumed included.
        terms: means of all terms by name, such as G/nce_x, over the last interval that was logged in this call.
        scores: the last ones on the validation images in this call, by name.
        samples: the last sample picture; None if none was made in this call.
        checkpoint: the last checkpoint; None if there is none.
        notes: what a user should know, a line each.
    """

    run: Path
    method: str
    step: int
    steps: int
    finished: bool
    seconds: float
    terms: Mapping[str, float] = field(repr=False)
    scores: Mapping[str, float]
    samples: Path | None
    checkpoint: Path | None
    notes: list[Message] = field(repr=False)


def train(  # noqa: PLR0913  (the flags of the command line)
    kind: str | PathLike[str] | type[Method[Any]] | None = None,
    images: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
    /,
    *,
    out: str | PathLike[str],
    config: RunConfig | str | PathLike[str] | None = None,
    preset: str | None = None,
    size: int | None = None,
    source: str | None = None,
    target: str | None = None,
    steps: int | None = None,
    budget: str | None = None,
    batch: int | None = None,
    seed: int | None = None,
    device: Device | None = None,
    devices: int | None = None,
    precision: str | None = None,
    channels: int | None = None,
    method: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    train: Mapping[str, Any] | None = None,
    allow_code: bool = False,
    on_event: Listener | None = None,
    stop: Stop | None = None,
    **others: Any,
) -> TrainResult:
    """Train a model in a new run directory, and return when it is done or stopped.

        result = instar.train("cut", "photos", out="runs/first", preset="small", steps=500, method={"nce_x": 2})

    It works in any thread and leaves PyTorch's random state and settings as they are. A setting that is None keeps its
    default, which is that of the preset.

    Args:
        kind: name of the method, path of a Python file that holds one, or a class. None with `config`.
        images: a data set folder, or one folder per domain. None with `config`.
        out: directory of the run, new or empty.
        config: start from these settings instead: those of a run, or the path of its config.yaml.
        preset: of the method; its first one, with the paper's numbers, if None.
        size: side of the training crops in pixels.
        source: domain to translate from, by name.
        target: domain to translate to, by name.
        steps: length of the run.
        budget: time that the run may take, such as "4h" or "90m", instead of `steps`: a few steps are measured, and
            the number of those that fit is fixed.
        batch: images per domain in a step, over all devices.
        seed: of all chance.
        device: auto, cpu, cuda or mps.
        devices: processes, each with its share of the batch.
        precision: 32, bf16 or auto.
        channels: 3 for colour, 1 for gray, N for images of N bands.
        method: the method's other options by name; nested ones as mappings, {"optim": {"lr": 1e-4}}.
        data: other settings of the images by name.
        train: other settings of the training by name.
        allow_code: run the code that `config` names, in `train.score_with`. What this call itself names is run anyway.
        on_event: called with what happens (instar.core.events), in the thread of this call. If it raises, the training
            finishes its step, saves it, and raises the same.
        stop: such as a `threading.Event`: once it is set, the training finishes its step, saves it, and returns.
        others: none; a name that is not listed here is an error that names the nearest one.

    Raises:
        UserError: a setting, the images or `out` cannot be used, or the training cannot go on.
    """
    from instar.api.session import begin
    from instar.api.settings import config_of

    given = {
        **{"size": size, "source": source, "target": target, "steps": steps, "batch": batch, "seed": seed},
        **{"device": device, "devices": devices, "precision": precision, "channels": channels},
        **{"method": method, "data": data, "train": train},
        **others,
    }
    if budget is not None and (steps is not None or (train and "steps" in train)):
        raise UserError(f"{setting('budget')} and {setting('train.steps')} both say how long the run is: give one")
    seconds = None if budget is None else seconds_of("budget", budget)
    settings = config_of(kind, images, config, preset, given, allow_code=allow_code)
    record = _Record(Path(out), ignore if on_event is None else on_event)
    begin(settings, out, record, threading.Event() if stop is None else stop, budget=seconds)
    return record.result()


def resume(
    run: str | PathLike[str],
    *,
    steps: int | None = None,
    devices: int | None = None,
    allow_changes: bool = False,
    allow_code: bool = False,
    on_event: Listener | None = None,
    stop: Stop | None = None,
) -> TrainResult:
    """Train a run on from its last checkpoint, with the settings in its config.yaml.

    On a CPU in float32 it ends with the same bits as if it had never been stopped, with the same number of processes.

    Args:
        run: the run directory, or one of its checkpoints, to go on from there: later ones are set aside.
        steps: new length of the whole run. From here on schedules are those that a run of this length has at this step.
        devices: processes from here on; those of before if None.
        allow_changes: go on although the images, or settings in config.yaml, are not those of the checkpoint. Without
            it such a change is an error that says what has changed.
        allow_code: run the code that config.yaml names, in `train.score_with`.
        on_event: as in `train`.
        stop: as in `train`.

    Raises:
        UserError: it is no run directory, its files are damaged, its images are not there or not the same, another
            training is at work in it, or the training cannot go on.
    """
    from instar.api.session import go_on
    from instar.core.run import run_of
    from instar.core.settings import Bounds

    for name, value in (("train.steps", steps), ("train.devices", devices)):
        if value is not None:
            Bounds(1).check(name, value)
    record = _Record(run_of(Path(run))[0], ignore if on_event is None else on_event)
    stopping = threading.Event() if stop is None else stop
    go_on(run, record, stopping, steps=steps, devices=devices, allow_changes=allow_changes, allow_code=allow_code)
    return record.result()


class _Record:
    """Listens to a training, and tells the caller's listener."""

    def __init__(self, run: Path, on_event: Listener) -> None:
        self._run, self._on_event = run, on_event
        self._last: dict[type[Event], Any] = {}
        self._notes: list[Message] = []

    def __call__(self, event: Event) -> None:
        self._last[type(event)] = event
        if isinstance(event, Noted):
            self._notes.append(event.text)
        self._on_event(event)

    def result(self) -> TrainResult:
        """Return what the events said."""
        from instar.core.run import checkpoints

        started, finished = self._last[Started], self._last[Finished]
        values = self._last[Logged].values if Logged in self._last else {}
        there = checkpoints(self._run)
        return TrainResult(
            run=self._run,
            method=started.method,
            step=finished.step,
            steps=started.steps,
            finished=finished.reached,
            seconds=finished.seconds,
            terms={name: value for name, value in values.items() if isinstance(value, float)},
            scores=dict(self._last[Scored].scores) if Scored in self._last else {},
            samples=self._last[Pictured].path if Pictured in self._last else None,
            checkpoint=there[-1] if there else None,
            notes=self._notes,
        )
