"""What tells whether runs with steps that are not finite end in the same bits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from engine.heard import Heard
from instar.core.batch import Batch
from instar.core.events import Logged
from instar.engine.trainer import Trainer
from instar.testing.runs import Noise


class Broken(Noise):
    """Images that are not finite at some steps."""

    bad: tuple[int, ...] = ()

    def batch(self, step: int) -> Batch:
        batch = super().batch(step)
        if step not in self.bad:
            return batch
        return replace(batch, **{name: getattr(batch, name) * float("nan") for name in "ax" if hasattr(batch, name)})


def same(one: Trainer, other: Trainer) -> None:
    for mine, theirs in (
        (one.method.state_dict(), other.method.state_dict()),
        (one.averages.state(), other.averages.state()),
    ):
        assert mine.keys() == theirs.keys()
        assert [key for key, value in mine.items() if not torch.equal(value, theirs[key])] == []
    mine, theirs = one.optimizers.state(), other.optimizers.state()
    assert [key for key, value in mine.items() if not torch.equal(value, theirs[key])] == []
    log = [(play.run / "metrics.jsonl") for play in (one, other)]
    assert [path.exists() for path in log] == [False, False]


def logged(heard: Heard) -> list[Any]:
    return [(event.step, event.values) for event in heard.of(Logged)]
