"""How long a step of a training takes here, by a few of its steps."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from instar.core import registry
from instar.core.batch import Batch
from instar.core.config import RunConfig
from instar.core.method import build
from instar.core.seed import generator
from instar.engine import parallel
from instar.engine.trainer import Trainer

WARM, TIMED = 2, 8
"""Steps before the clock starts, and those that are timed: penalties come each eighth step."""


def seconds_of_a_step(config: RunConfig, clock: Callable[[], float] = time.monotonic) -> float:
    """Return the mean time of a step of a training, on random images in memory; nothing of it is kept.

    Args:
        config: of the training.
        clock: in seconds; `time.process_time` leaves out what other programs take.
    """
    config = replace(config, train=replace(config.train, steps=WARM + TIMED))
    method = build(registry.get(config.name), config.method, config.train.seed)
    batch = _random(config)
    with parallel.launched(config.train) as fabric, tempfile.TemporaryDirectory() as folder:
        training = Trainer(fabric, method, config, Path(folder), _Repeated(batch), batch)
        on_device = batch.to(fabric.device)
        for step in range(WARM + TIMED):
            if step == WARM:
                began = _now(fabric.device, clock)
            training.train_step(on_device)
        return (_now(fabric.device, clock) - began) / TIMED


class _Repeated:
    """A source that always gives the same batch."""

    epoch_length = 1

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self.waited = 0.0

    def batch(self, step: int) -> Batch:
        return self._batch

    def stream(self, start_step: int) -> _Repeated:
        return self

    def __next__(self) -> Batch:
        return self._batch

    def close(self) -> None:
        """Do nothing: there is no thread to end."""


def _random(config: RunConfig) -> Batch:
    kind, side, count = registry.get(config.name).data, config.data.size, config.train.batch
    images = {
        domain: torch.rand(count, config.method.channels_of(domain), side, side, generator=generator(place)) * 2 - 1
        for place, domain in enumerate(kind.parts)
    }
    labels = {domain: torch.zeros(count, dtype=torch.int64) for domain in kind.classes}
    return kind.collate(images, {domain: ["random"] * count for domain in images}, labels)


def _now(device: torch.device, clock: Callable[[], float]) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock()
