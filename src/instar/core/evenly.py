"""Some of many, spread evenly: what is shown, kept back or measured must not come from one end of a sorted list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def evenly(items: Sequence[Item], count: int) -> list[Item]:
    """Return `count` of the items in their order, spread evenly over all; all of them if there are no more."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]
