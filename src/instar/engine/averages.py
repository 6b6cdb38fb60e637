"""Averaged weights for translation, kept for every method alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from instar.core.method import Method
from instar.modules.ema import Average, decay_of

RAMP = 0.2
"""The half-life is at most this share of the images seen, so that early averages are not gray."""


class Averages:
    """Moving averages of the networks that `translate` uses; none if `half_life` is 0."""

    def __init__(self, method: Method[Any], half_life: int) -> None:
        """Start from the method's present weights; `half_life` counts images."""
        self.method = method
        self.half_life = half_life
        self.of = {name: Average(method.get_submodule(name)) for name in method.translators if half_life}

    def update(self, images_seen: int, batch: int) -> None:
        """Take in the weights after a step of `batch` images, `images_seen` of them since the start."""
        half_life = min(float(self.half_life), RAMP * images_seen)
        for name, average in self.of.items():
            average.update(self.method.get_submodule(name), decay_of(half_life / batch))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within this context the method translates: eval mode, averaged weights, no gradients."""
        trained: dict[str, nn.Module] = {name: self.method.get_submodule(name) for name in self.of}
        try:
            for name, average in self.of.items():
                setattr(self.method, name, average.net)
            self.method.eval()
            with torch.inference_mode():
                yield
        finally:
            for name, net in trained.items():
                setattr(self.method, name, net)
            self.method.train()

    def state(self) -> dict[str, Tensor]:
        """Return the averages under the names that the method's own weights have."""
        return {
            f"{name}.{key}": value
            for name, average in self.of.items()
            for key, value in average.net.state_dict().items()
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Put back what `state` returned. `RuntimeError`: it is of other networks."""
        if unknown := state.keys() - self.state().keys():
            raise RuntimeError(f"{min(unknown)} is of no network here")
        for name, average in self.of.items():
            prefix = f"{name}."
            average.net.load_state_dict({k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)})
