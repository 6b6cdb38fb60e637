"""Where the runs of a grid stand, and the processes that train them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from instar.core.config import to_yaml
from instar.core.errors import UserError
from instar.core.files import write_atomically
from instar.sweeps.launch import Training
from instar.sweeps.spec import Job, standing


@dataclass(frozen=True)
class RunState:
    """A run of a grid and how far it is."""

    data: str
    """Name of the data set."""
    name: str
    """Of the run in the spec: a row of the table."""
    seed: int
    folder: Path
    step: int | None
    """At which it stands; None if it has not begun."""
    steps: int
    """Its length."""

    @property
    def title(self) -> str:
        """How it is called in messages."""
        return f"{self.data}/{self.name}/seed-{self.seed}"

    @property
    def done(self) -> bool:
        """Whether it is finished."""
        return self.step == self.steps

    @property
    def words(self) -> str:
        """How far it is, in words."""
        if self.step is None:
            return f"new, {self.steps:,} steps"
        return "done" if self.done else f"step {self.step:,} of {self.steps:,}"


def state_of(job: Job) -> RunState:
    """Look where a run stands.

    Raises:
        UserError: its folder holds something else, or a run with other settings.
    """
    train = job.config.train
    return RunState(job.data, job.name, train.seed, job.folder, standing(job), train.steps)


def training_of(job: Job, state: RunState, *, allow_code: bool = False) -> Training:
    """Return the process that trains a run, after writing the settings of a new one beside its folder."""
    arguments = ["train", "--resume", str(job.folder)]
    if state.step is None:
        settings = job.folder.with_suffix(".yaml")
        try:
            settings.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(settings, to_yaml(job.config).encode())
        except OSError as error:
            raise UserError(f"{settings}: cannot be written ({error.strerror})") from error
        arguments = ["train", "--config", str(settings), "-o", str(job.folder)]
    if allow_code:
        arguments.append("--allow-code")
    train = job.config.train
    gpus = {"cuda": train.devices, "auto": None}.get(train.device, 0)
    return Training(job.title, tuple(arguments), job.folder.with_suffix(".log"), gpus)


def share_of_threads(jobs: int) -> int | None:
    """Return the threads of each of some processes on this machine; None if PyTorch or the environment decides."""
    if jobs == 1 or "OMP_NUM_THREADS" in os.environ:
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // jobs)
