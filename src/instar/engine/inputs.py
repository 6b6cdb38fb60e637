"""What the training loop is given from outside: batches, and scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from instar.core.batch import Batch, Domain
from instar.core.method import Method


class Stream(Protocol):
    """Batches in order, prepared ahead of time."""

    waited: float
    """Seconds that the consumer has waited for them."""

    def __next__(self) -> Batch:
        """Return the next step's batch."""

    def close(self) -> None:
        """End the preparation."""


class Source(Protocol):
    """Training batches as a pure function of the step."""

    @property
    def epoch_length(self) -> int:
        """Steps in which the larger domain is seen once."""

    def batch(self, step: int) -> Batch:
        """Return the batch of a step."""

    def stream(self, start_step: int) -> Stream:
        """Return the batches from a step on."""


class Watcher(Protocol):
    """Measures translations of held-out images."""

    def __call__(self, method: Method[Any], /) -> Mapping[Domain, Mapping[str, float]]:
        """Return numbers by name for each domain that is translated into."""


class Scorer(Protocol):
    """Scores a method on images that are neither trained on nor tested on."""

    def __call__(self, method: Method[Any], /) -> dict[str, float]:
        """Return numbers by name; the first one decides which checkpoints are kept, lower is better."""
