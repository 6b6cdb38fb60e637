"""A method under test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from instar.core import registry
from instar.core.batch import Batch
from instar.core.config import Precision, RunConfig
from instar.core.method import Method
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.engine.trainer import Trainer
from instar.testing.runs import build, source_for, tiny, trainer


@dataclass
class Case:
    """What a check is given: a method as its preset "tiny" makes it, and an empty folder. Each check has its own."""

    name: str
    folder: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    """Changes to the method's options."""

    @cached_property
    def kind(self) -> type[Method[Any]]:
        """The class."""
        return registry.get(self.name)

    @cached_property
    def config(self) -> RunConfig:
        """Settings of a run."""
        return tiny(self.name, **self.options)

    @cached_property
    def method(self) -> Method[Any]:
        """The method with its initial weights."""
        return build(self.config)

    @cached_property
    def batch(self) -> Batch:
        """A batch of noise."""
        return source_for(self.config).batch(0)

    def trainer(self, precision: Precision = "32") -> Trainer:
        """Return a trainer of the method, on noise."""
        config = replace(self.config, train=replace(self.config.train, precision=precision))
        return trainer(config, self.folder, self.method, source_for(config))

    def phases(self, epoch_length: int = 3) -> list[Progress]:
        """Return the first step of every phase that a run goes through."""
        found: dict[str, Progress] = {}
        for step in range(self.config.train.steps):
            at = Progress(step, self.config.train.steps, epoch_length)
            found.setdefault(self.method.phase(at), at)
        return list(found.values())

    def objectives(self) -> list[Objective]:
        """Return the objectives of one step in every phase."""
        return [objective for at in self.phases() for objective in self.method.objectives(self.batch, at)]
