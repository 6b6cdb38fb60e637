"""Where images are scored: in this process, or in parts elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from instar.evaluation.held_out import BATCH

Item = TypeVar("Item")
Found = TypeVar("Found")

PART = 10 * BATCH
"""Items that are done at once elsewhere. Batches are those of one process, so that results are equal bit for bit."""


class Spread(Protocol):
    """Has work done."""

    def __call__(self, work: Callable[[Sequence[Item]], Iterable[Found]], items: Sequence[Item]) -> Iterator[Found]:
        """Yield what `work` makes of the items, in their order.

        Args:
            work: makes something of each batch of the items that it is given. It can be pickled.
            items: all of them. They may be cut at multiples of `PART`.
        """


def here(work: Callable[[Sequence[Item]], Iterable[Found]], items: Sequence[Item]) -> Iterator[Found]:
    """Do the work in this process; see `Spread`."""
    yield from work(items)
