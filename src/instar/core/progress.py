"""Where a run stands. Everything that changes over a run is a pure function of this."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Position of a training run, counted in optimiser steps."""

    step: int
    """Steps done before this one: 0 in the first."""
    steps: int
    """Length of the whole run."""
    epoch_length: int = 1
    """Steps in which the larger domain is seen once."""

    @property
    def epoch(self) -> int:
        """Whole epochs done before this step."""
        return self.step // self.epoch_length

    @property
    def fraction(self) -> float:
        """Share of the run that is done, in [0, 1]."""
        return self.step / max(1, self.steps)
