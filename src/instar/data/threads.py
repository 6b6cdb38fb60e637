"""Doing a little with many files in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

ItemT = TypeVar("ItemT")
FoundT = TypeVar("FoundT")

CHUNK = 256
"""Items that a thread takes at a time: handing over single ones takes longer than reading the head of a file."""
_WAITING = 64
"""Items that wait for threads or for who takes them: what is found of all would pile up in memory."""


def in_threads(
    work: Callable[[ItemT], FoundT], items: Sequence[ItemT], threads: int | ThreadPoolExecutor
) -> list[FoundT]:
    """Return what `work` gives for each item, in their order; in so many threads, or in those of a pool."""
    if isinstance(threads, int):
        with ThreadPoolExecutor(threads) as pool:
            return in_threads(work, items, pool)
    chunks = (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
    return [found for part in threads.map(lambda chunk: [work(item) for item in chunk], chunks) for found in part]


def each_in_threads(
    work: Callable[[ItemT], FoundT], items: Sequence[ItemT], pool: ThreadPoolExecutor
) -> Iterator[FoundT]:
    """Yield what `work` gives for each item, in their order, a few ahead."""
    for start in range(0, len(items), _WAITING):
        yield from pool.map(work, items[start : start + _WAITING])
