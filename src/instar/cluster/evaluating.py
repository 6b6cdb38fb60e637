"""Scoring on a Ray cluster: actors hold the networks, and results come back in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from instar.cluster.connect import connected
from instar.cluster.spreading import spread
from instar.evaluation.spread import PART, Spread

Item = TypeVar("Item")
Found = TypeVar("Found")


@contextmanager
def spread_over(address: str, *, device: str = "auto", method: str | None = None) -> Iterator[Spread]:
    """Give what has images scored by all machines of a cluster, with the same results.

    Args:
        address: of the cluster, as of `connected`.
        device: where actors compute: auto, cpu, cuda or mps.
        method: whose code is needed, by its name.

    Raises:
        UserError: Ray is missing, there is no cluster, or a machine of it lacks something.
    """
    with connected(address) as ray:
        yield _Spread(ray, device, method)


@dataclass(frozen=True)
class _Spread:
    ray: Any
    device: str
    method: str | None

    def __call__(self, work: Callable[[Sequence[Item]], Iterable[Found]], items: Sequence[Item]) -> Iterator[Found]:
        parts = [items[start : start + PART] for start in range(0, len(items), PART)]
        waiting: dict[int, list[Found]] = {}
        following = 0
        for number, found in spread(self.ray, _Listed(work), parts, device=self.device, method=self.method):
            waiting[number] = found
            while following in waiting:
                yield from waiting.pop(following)
                following += 1


@dataclass(frozen=True)
class _Listed(Generic[Item, Found]):
    """What comes of a part at once."""

    work: Callable[[Sequence[Item]], Iterable[Found]]

    def __call__(self, items: Sequence[Item]) -> list[Found]:
        return list(self.work(items))
