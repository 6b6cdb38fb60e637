"""Intervals as bars: those of one score on one scale, so that they can be compared by eye."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A value, and where it may lie."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Bar:
    """Where an interval is drawn, in hundredths of the width."""

    left: float
    width: float
    value: float


def drawn(found: Sequence[Interval | None]) -> list[Bar | None]:
    """Return a bar for each interval of a score; None for what has none.

    The scale goes from the lowest to the highest end of all of them.
    """
    whole = [(one.low, one.high) for one in found if one and one.low is not None and one.high is not None]
    if not whole:
        return [None] * len(found)
    values = [one.value for one in found if one]
    low = min([*(ends[0] for ends in whole), *values])
    high = max([*(ends[1] for ends in whole), *values])
    return [_bar(one, low, high - low) if one and high > low else None for one in found]


def _bar(one: Interval, first: float, span: float) -> Bar | None:
    if one.low is None or one.high is None:
        return None
    left, right, value = (round(100 * (end - first) / span, 2) for end in (one.low, one.high, one.value))
    return Bar(left, round(right - left, 2), value)
