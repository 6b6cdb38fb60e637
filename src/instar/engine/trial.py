"""A few steps of a training before it begins, to know what it will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import torch

from instar.core.progress import Progress
from instar.engine.memory import peak_memory
from instar.engine.trainer import Trainer

WARM_UP = 2
"""Steps before those that count: kernels are chosen, optimisers make their averages."""
MOST, LEAST = 8, 2
"""Steps that are measured in each phase: eight, which hold one lazy penalty, if they do not take too long."""
PATIENCE = 20.0
"""Seconds for the steps of a phase, if two of them take less."""
_LOOKED_AT = 100
"""Places of a run at which its phase is asked for."""


@dataclass(frozen=True)
class Cost:
    """What a training takes.

    Attributes:
        step: seconds, the mean over the run's phases by their lengths.
        picture: seconds for a sample picture.
        checkpoint: seconds for writing a checkpoint.
        memory: the most bytes held, as `peak_memory` counts them; 0 where that cannot be told.
    """

    step: float
    picture: float
    checkpoint: float
    memory: int


def measure(trainer: Trainer) -> Cost:
    """Take a few steps in each phase of a run, a picture and a checkpoint, and return what they took.

    Preparations between phases are not counted: they pass over all images once.

    Args:
        trainer: of the run, in a directory and a process of its own. It is of no use afterwards.
    """
    step = 0.0
    for first, share in _phases(trainer):
        trainer.step, trainer.phase = first, ""
        step += share * _seconds_of_a_step(trainer)
    picture = _timed(trainer.show, trainer)
    checkpoint = _timed(trainer.save, trainer)
    return Cost(step, picture, checkpoint, peak_memory(trainer.fabric.device))


def _phases(trainer: Trainer) -> Iterator[tuple[int, float]]:
    """Yield the first step seen of each phase, and the phase's share of the run."""
    steps, places = trainer.cfg.steps, min(_LOOKED_AT, trainer.cfg.steps)
    found: dict[str, list[int]] = {}
    for place in range(places):
        step = place * steps // places
        phase = trainer.method.phase(Progress(step, steps, trainer.source.epoch_length))
        found.setdefault(phase, []).append(step)
    for there in found.values():
        yield there[0], len(there) / places


def _seconds_of_a_step(trainer: Trainer) -> float:
    with closing(trainer.source.stream(trainer.step)) as stream:

        def take(count: int) -> float:
            def steps() -> None:
                for _ in range(count):
                    trainer.train_step(trainer.next_batch(stream))

            return _timed(steps, trainer)

        take(1)
        one = take(WARM_UP - 1)
        count = int(min(MOST, max(LEAST, PATIENCE / max(one, 1e-9))))
        return take(count) / count


def _timed(work: Callable[[], None], trainer: Trainer) -> float:
    """Return the seconds of a piece of work, what it has started on a GPU included."""
    _wait(trainer)
    began = time.perf_counter()
    work()
    _wait(trainer)
    return time.perf_counter() - began


def _wait(trainer: Trainer) -> None:
    device = trainer.fabric.device
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
