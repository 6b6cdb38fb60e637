"""A few steps of a training before it begins, to know what it will take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from instar.core.device import seconds_of
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
    step, device = 0.0, trainer.fabric.device
    for first, share in _phases(trainer):
        trainer.step, trainer.phase = first, ""
        step += share * _seconds_of_a_step(trainer)
    picture = seconds_of(trainer.show, device)
    checkpoint = seconds_of(trainer.save, device)
    return Cost(step, picture, checkpoint, peak_memory(device))


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

            return seconds_of(steps, trainer.fabric.device)

        take(1)
        one = take(WARM_UP - 1)
        count = int(min(MOST, max(LEAST, PATIENCE / max(one, 1e-9))))
        return take(count) / count
