"""Runs of any method on images made in memory, by the real trainer."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from rich.console import Console
from torch import Tensor

import instar
from instar.core.batch import Batch
from instar.core.config import MethodConfig, RunConfig, TrainConfig
from instar.core.method import Method, defaults
from instar.core.seed import mix, seed_step
from instar.core.settings import with_changes
from instar.engine.trainer import Trainer


@dataclass
class Noise:
    """A source of smooth random images, a pure function of the step."""

    kind: type[Batch]
    channels: int = 3
    side: int = 32
    size: int = 1
    dtype: torch.dtype = torch.float32
    epoch_length: int = 3

    def images(self, *seed: int) -> Tensor:
        chance = torch.Generator().manual_seed(mix(*seed))
        coarse = torch.rand(self.size, self.channels, 8, 8, generator=chance, dtype=self.dtype) * 2 - 1
        return torch.nn.functional.interpolate(coarse, size=(self.side, self.side), mode="bilinear")

    def batch(self, step: int) -> Batch:
        domains = self.kind.parts
        return self.kind.collate(
            {domain: self.images(step, number) for number, domain in enumerate(domains)},
            {domain: [f"{domain}{step}"] for domain in domains},
            {domain: torch.tensor([mix(step, i) % 2 for i in range(self.size)]) for domain in self.kind.classes},
        )

    def stream(self, start_step: int) -> Stream:
        return Stream(self, start_step)


@dataclass
class Stream:
    source: Noise
    step: int
    waited: float = 0.0

    def __next__(self) -> Batch:
        self.step += 1
        return self.source.batch(self.step - 1)

    def close(self) -> None:
        pass


def tiny(name: str, train: dict[str, Any] | None = None, **options: Any) -> RunConfig:
    """The preset "tiny" of a method with changes to its options and to the training."""
    config = defaults(name, instar.get(name), "tiny")
    changed: MethodConfig = with_changes(config.method, options)
    settings: TrainConfig = with_changes(config.train, {"ema": 100, "preview_every": 10**6, **(train or {})})
    return replace(config, method=changed, train=settings)


def build(config: RunConfig, seed: int = 0) -> Method[Any]:
    seed_step(seed, 0)
    return instar.get(config.name)(config.method)


def source_for(config: RunConfig, **changes: Any) -> Noise:
    kind = instar.get(config.name).data
    return replace(Noise(kind, config.method.channels, config.data.size, config.train.batch), **changes)


def trainer(config: RunConfig, run: Path, method: Method[Any], source: Noise, precision: str = "32-true") -> Trainer:
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)  # type: ignore[arg-type]
    return Trainer(fabric, method, config, run, source, source.batch(10**6))


def silent() -> Console:
    return Console(file=io.StringIO())
