"""Intervals as bars: those of one score on one scale, so that they can be compared by eye."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A value, and the ends between which it lies, where they are known."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Bar:
    """Where an interval is drawn, in hundredths of the width."""

    left: float
    width: float
    value: float


@dataclass(frozen=True)
class Scale:
    """From the lowest to the highest end of all intervals of a score, and of its values."""

    low: float
    span: float

    @classmethod
    def of(cls, found: Iterable[Interval | None]) -> Scale:
        """Return the scale on which these are drawn."""
        there = [one for one in found if one]
        ends = [end for one in there for end in (one.value, one.low, one.high) if end is not None]
        return cls(min(ends), max(ends) - min(ends)) if ends else cls(0.0, 0.0)

    def bar(self, one: Interval | None) -> Bar | None:
        """Return how an interval is drawn; None for what has none, and where all are one value."""
        if one is None or one.low is None or one.high is None or self.span <= 0:
            return None
        left, right, value = (round(100 * (end - self.low) / self.span, 2) for end in (one.low, one.high, one.value))
        return Bar(left, round(right - left, 2), value)
