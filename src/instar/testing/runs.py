"""Runs of any method on images made in memory, by the real trainer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from instar.core import registry
from instar.core.batch import Batch, Domain, ManyDomains
from instar.core.config import MethodConfig, RunConfig, TrainConfig
from instar.core.events import Listener, Listeners
from instar.core.method import Method, defaults
from instar.core.seed import generator, mix, seeded
from instar.core.settings import with_changes
from instar.engine.parallel import fabric_of
from instar.engine.trainer import Trainer
from instar.engine.writers import Metrics


@dataclass
class Noise:
    """A source of smooth random images, a pure function of the step.

    Attributes:
        kind: of the batches.
        channels: of the images, of all domains or by domain.
        side: of the images, in pixels.
        size: images per domain in a batch.
        dtype: of the images.
        epoch_length: steps in which all of them would be seen once.
    """

    kind: type[Batch]
    channels: int | Mapping[Domain, int] = 3
    side: int = 32
    size: int = 1
    dtype: torch.dtype = torch.float32
    epoch_length: int = 3

    def images(self, *seed: int) -> Tensor:
        """Return images (size, channels, side, side) in [-1, 1], a function of some numbers."""
        channels = self.channels if isinstance(self.channels, int) else list(self.channels.values())[seed[1]]
        coarse = torch.rand(self.size, channels, 8, 8, generator=generator(*seed), dtype=self.dtype) * 2 - 1
        return torch.nn.functional.interpolate(coarse, size=(self.side, self.side), mode="bilinear")

    def batch(self, step: int) -> Batch:
        """Return the batch of a step."""
        domains = self.kind.parts
        return self.kind.collate(
            {domain: self.images(step, number) for number, domain in enumerate(domains)},
            {domain: [f"{domain}{step}"] for domain in domains},
            {domain: torch.tensor([mix(step, i) % 2 for i in range(self.size)]) for domain in self.kind.classes},
        )

    def stream(self, start_step: int) -> NoiseStream:
        """Return the batches from a step on."""
        return NoiseStream(self, start_step)


@dataclass
class NoiseStream:
    """Batches of `Noise` in order."""

    source: Noise
    step: int
    waited: float = 0.0

    def __next__(self) -> Batch:
        self.step += 1
        return self.source.batch(self.step - 1)

    def close(self) -> None:
        """Do nothing: there is no thread to end."""


def tiny(name: str, train: dict[str, Any] | None = None, **options: Any) -> RunConfig:
    """Return the preset "tiny" of a method, with changes to the training and to the method's options."""
    config = defaults(name, registry.get(name), "tiny")
    changed: MethodConfig = with_changes(config.method, options)
    settings: TrainConfig = with_changes(config.train, {"ema": 100, "preview_every": 10**6, **(train or {})})
    return replace(config, method=changed, train=settings)


def build(config: RunConfig, seed: int = 0) -> Method[Any]:
    """Return a method with its initial weights."""
    with seeded(seed, 0):
        return registry.get(config.name)(config.method)


def source_for(config: RunConfig, **changes: Any) -> Noise:
    """Return a source of the batches that a run needs; `changes` are of fields of `Noise`."""
    method = config.method
    kind = registry.get(config.name).kind_of(method)
    channels = (
        method.channels if method.equal_channels else {domain: method.channels_of(domain) for domain in kind.parts}
    )
    shared = len(kind.parts) if issubclass(kind, ManyDomains) else 1
    return replace(Noise(kind, channels, config.data.size, max(1, config.train.batch // shared)), **changes)


def trainer(
    config: RunConfig,
    run: Path,
    method: Method[Any],
    source: Noise,
    on_event: Listener | None = None,
) -> Trainer:
    """Return a trainer on the CPU; `run` is an empty directory or one to go on with."""
    fabric = fabric_of("cpu")
    listeners = Listeners(*([] if on_event is None else [on_event]))
    return Trainer(fabric, method, config, run, source, source.batch(10**6), listeners=listeners)


def interrupted_equals_whole(name: str, folder: Path, **options: Any) -> Trainer:
    """Check that a run goes on with the same bits as one that was not interrupted, and return its trainer.

    It trains 6 steps, takes a copy as the run stood after step 3, and trains that on with a fresh everything. The log
    interval of 2 puts the interruption into the middle of a mean.

    Args:
        name: of the method, as its preset "tiny" makes it.
        folder: an empty one.
        **options: changes to the method's options.
    """
    train = {"steps": 6, "save_every": 3, "log_every": 2, "keep": 0, "batch": 2}
    config = tiny(name, train, **options)
    whole_run, cut_run = folder / "whole", folder / "cut"
    whole_run.mkdir()
    source = source_for(config)
    whole = trainer(config, whole_run, build(config), source, on_event=Metrics(whole_run, Listeners()))
    assert whole.fit()
    shutil.copytree(whole_run, cut_run)
    shutil.rmtree(cut_run / "checkpoints" / "step-000000006")
    with (cut_run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "G/to')  # the kill came while a line was written
    resumed = trainer(config, cut_run, build(config, seed=5), source, on_event=Metrics(cut_run, Listeners()))
    assert resumed.fit()
    assert resumed.step == 6
    here, there = _everything(whole), _everything(resumed)
    assert here.keys() == there.keys()
    assert [key for key in here if not torch.equal(here[key], there[key])] == []
    assert _numbers(whole_run) == _numbers(cut_run)
    assert len(_numbers(whole_run)) == 3
    return resumed


def _everything(run: Trainer) -> dict[str, torch.Tensor]:
    parts = {"m": run.method.state_dict(), "o": run.optimizers.state(), "a": run.averages.state()}
    return {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}


def _numbers(run: Path) -> list[dict[str, Any]]:
    """Return what was logged, less what the clock says."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in rows]
