"""Which cases are tried: a seeded sample in the default run, all of them by hand."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from hostile.figures import ROUNDS

Item = TypeVar("Item")


def chance(title: str, number: int = 0) -> random.Random:
    """Return a generator that is the same in every run."""
    return random.Random(f"{title} {number}")


def sample(title: str, items: Sequence[Item], count: int) -> list[Item]:
    """Return `count` of the items for each round, in their order, and no more than there are.

    The last one is always among them: it is where an attack comes after all the work.
    """
    many = min(len(items), count * ROUNDS)
    if many <= 1:
        return list(items[-many:]) if many else []
    chosen = sorted(chance(title).sample(range(len(items) - 1), many - 1))
    return [*(items[place] for place in chosen), items[-1]]


def times(count: int) -> range:
    """Return the numbers of cases that have no end: `count` for each round."""
    return range(count * ROUNDS)
