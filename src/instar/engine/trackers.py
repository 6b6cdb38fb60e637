"""Other people's loggers of experiments, beside the files of a run. Each is imported when a training names it.

A run that goes on, goes on in the same experiment: the logger's name for it is kept in the run directory.
"""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

from instar.core.config import RunConfig, TrainConfig
from instar.core.errors import UserError, setting
from instar.core.events import Event, Listener, Logged, Pictured, Scored, Started
from instar.core.files import read_own, write_atomically
from instar.core.plain import read_json
from instar.core.settings import to_dict
from instar.engine.writers import Board, Writer, row_of, scalars

PROJECT = "instar"
"""What experiments are filed under; the loggers' own variables name servers and places."""
IDS = "trackers.json"
"""In a run directory: what its loggers call it."""


class Tracker(Writer):
    """A logger, by its package."""

    package: ClassVar[str]

    def __init__(self, run: Path, say: Listener, config: RunConfig) -> None:
        """Do nothing yet: the package is imported as the training begins."""
        super().__init__(run, say)
        self.library: Any = None
        self.settings = _flat(to_dict(config))
        self.open = False

    def write(self, event: Event) -> None:
        """Begin, or log numbers or a picture."""
        if isinstance(event, Started):
            self.library, known = import_module(self.package), self._known()
            found = self.begin(self.run.absolute().name, known.get(self.package))
            write_atomically(self.run / IDS, json.dumps({**known, self.package: found}).encode())
            self.open = True
        elif isinstance(event, (Logged, Scored)):
            self.numbers(dict(scalars(row_of(event))), event.step)
        elif isinstance(event, Pictured):
            self.picture(event.picture, event.step)

    @abstractmethod
    def begin(self, name: str, known: str | None) -> str:
        """Begin an experiment, or go on with the one that is known; return what the logger calls it."""

    @abstractmethod
    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers by name."""

    @abstractmethod
    def picture(self, pixels: Any, step: int) -> None:
        """Log a sample picture (H, W, 3) of 8 bits."""

    @abstractmethod
    def end(self) -> None:
        """End what `begin` began."""

    def close(self) -> None:
        """End, if it was begun; a logger that cannot must not spoil the end of a training."""
        if self.open:
            with suppress(Exception):
                self.end()

    def _known(self) -> dict[str, str]:
        try:
            with read_own(self.run / IDS) as file:
                return {str(key): str(value) for key, value in read_json(file.read()).items()}
        except (OSError, ValueError, AttributeError):
            return {}


class Trackio(Tracker):
    """Trackio: a database on this machine, shown by `trackio show`, or on a Space that its variables name."""

    package = title = "trackio"

    def begin(self, name: str, known: str | None) -> str:
        """Begin, or go on."""
        called = known or f"{name}-{uuid4().hex[:8]}"
        self._run = self.library.init(project=PROJECT, name=called, config=self.settings, resume="allow")
        return called

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers by name."""
        self._run.log(dict(values), step=step)

    def picture(self, pixels: Any, step: int) -> None:
        """Log a picture."""
        self._run.log({"samples": self.library.Image(pixels)}, step=step)

    def end(self) -> None:
        """Write what is left."""
        self._run.finish()


class MLflow(Tracker):
    """MLflow, at MLFLOW_TRACKING_URI: its client alone, so that a run that the caller has begun stays the caller's."""

    package = "mlflow"
    title = "MLflow"

    def begin(self, name: str, known: str | None) -> str:
        """Begin, or go on."""
        self._client = self.library.MlflowClient()
        if known:
            self._id = known
            self._client.update_run(known, status="RUNNING")
            return known
        experiment = self._client.get_experiment_by_name(PROJECT)
        number = experiment.experiment_id if experiment else self._client.create_experiment(PROJECT)
        self._id = self._client.create_run(number, run_name=name).info.run_id
        for key, value in self.settings.items():
            self._client.log_param(self._id, key, str(value)[:500])
        return str(self._id)

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers by name."""
        for name, value in values.items():
            self._client.log_metric(self._id, name, value, step=step)

    def picture(self, pixels: Any, step: int) -> None:
        """Log a picture."""
        self._client.log_image(self._id, pixels, artifact_file=f"samples/step-{step:09d}.png")

    def end(self) -> None:
        """Say that it is over."""
        self._client.set_terminated(self._id)


class WandB(Tracker):
    """Weights & Biases; WANDB_MODE=offline writes into the run directory alone."""

    package = "wandb"
    title = "Weights & Biases"

    def begin(self, name: str, known: str | None) -> str:
        """Begin, or go on."""
        self._run = self.library.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=name,
            id=known or uuid4().hex[:8],
            resume="allow",
            config=self.settings,
            dir=str(self.run),
            settings=self.library.Settings(silent=True, console="off"),
        )
        return str(self._run.id)

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers by name."""
        self._run.log(dict(values), step=step)

    def picture(self, pixels: Any, step: int) -> None:
        """Log a picture."""
        self._run.log({"samples": self.library.Image(pixels)}, step=step)

    def end(self) -> None:
        """Send what is left."""
        self._run.finish()


TRACKERS: Mapping[str, type[Tracker]] = {kind.package: kind for kind in (Trackio, MLflow, WandB)}
"""By the value of `train.logger`."""


def check_logger(train: TrainConfig) -> None:
    """Refuse a logger that is not installed, before anything is written.

    Raises:
        UserError: it is not.
    """
    if train.logger is not None and find_spec(train.logger) is None:
        said = setting("train.logger", train.logger)
        raise UserError(f"{said}: it is not installed: pip install {train.logger}")


@contextmanager
def boards(config: RunConfig, run: Path, say: Listener) -> Iterator[list[Writer]]:
    """Give what shows a run elsewhere, and end it: TensorBoard's events, if that is installed, and the logger named.

    Args:
        config: of the run.
        run: its directory.
        say: told what cannot be written.
    """
    with ExitStack() as held:
        made: list[Writer] = []
        if find_spec("tensorboard"):
            made.append(held.enter_context(closing(Board(run, say))))
        if config.train.logger is not None:
            made.append(held.enter_context(closing(TRACKERS[config.train.logger](run, say, config))))
        yield made


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return found
