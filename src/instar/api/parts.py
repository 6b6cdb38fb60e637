"""Scoring by several processes of this machine: each takes the next part, and results come in order.

Each process is `python -m instar.api.part_worker`. It is given pickles on its stdin: first where the method is
registered from, then work and parts of it in turn.
"""

from __future__ import annotations

import os
import pickle
import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from instar.api.workers import Failed, Gone, RemoteError, Worker, shared_out
from instar.core import registry
from instar.core.device import pick_device
from instar.core.errors import UserError, setting
from instar.evaluation.held_out import BATCH
from instar.evaluation.spread import PART, Spread

Item = TypeVar("Item")
Found = TypeVar("Found")
SHARES = 4
"""Parts for each process at least, if there are so many batches: they do not take equally long."""


@dataclass(frozen=True)
class Done:
    """A part is done."""

    number: int
    found: list[Any]


@contextmanager
def spread_over_processes(count: int, *, device: str = "auto", method: str | None = None) -> Iterator[Spread]:
    """Give what has images scored by several processes, with the same results.

    Args:
        count: of the processes; of GPUs each takes one.
        device: where they compute: auto, cpu, cuda or mps.
        method: whose code is needed, by its name.

    Raises:
        UserError: there are not so many devices, or other processes cannot import the method.
    """
    asked = setting("devices", count)
    if method and not registry.portable(method):
        raise UserError(
            f"{asked}: other processes cannot import the class {registry.code(method)}; put it into a Python file of "
            "its own and give the file's path as the method"
        )
    variables = [{**shared_out(count), **own} for own in _devices(count, pick_device(device))]
    items: queue.Queue[tuple[int, Any]] = queue.Queue()
    workers: list[Worker] = []
    try:
        for rank in range(count):
            workers.append(Worker(rank, "instar.api.part_worker", variables[rank], items))
        for worker in workers:
            worker.send(pickle.dumps(registry.code(method) if method else None))
        yield _Spread(workers, items)
    finally:
        for worker in workers:
            worker.end()


def _devices(count: int, kind: str) -> list[dict[str, object]]:
    """Return the variables that give each process its device."""
    if kind == "cuda":
        there = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(torch.cuda.device_count())))
        names = there.split(",")
        if len(names) < count:
            raise UserError(f"{setting('devices', count)}: there are only {len(names)} CUDA devices here")
        return [{"CUDA_VISIBLE_DEVICES": name} for name in names[:count]]
    if kind == "mps":
        raise UserError(f"{setting('devices', count)}: there is one mps device; use {setting('devices', 1)}")
    return [{} for _ in range(count)]


@dataclass
class _Spread:
    workers: Sequence[Worker]
    items: queue.Queue[tuple[int, Any]]
    handed_out: int = 0
    """Parts of all work so far: a part of work that was given up may come late."""

    def __call__(self, work: Callable[[Sequence[Item]], Iterable[Found]], items: Sequence[Item]) -> Iterator[Found]:
        size = _size(len(items), len(self.workers))
        parts = [items[start : start + size] for start in range(0, len(items), size)]
        following, end = self.handed_out, self.handed_out + len(parts)
        left, self.handed_out = iter(enumerate(parts, following)), end
        given = pickle.dumps(work)
        for worker, part in zip(self.workers, left, strict=False):
            worker.send(given)
            worker.send(pickle.dumps(part))
        waiting: dict[int, list[Found]] = {}
        while following < end:
            done = self._next(left)
            waiting[done.number] = done.found
            while following in waiting:
                yield from waiting.pop(following)
                following += 1

    def _next(self, left: Iterator[tuple[int, Sequence[Item]]]) -> Done:
        """Return a part that is done, and give its process the next one."""
        rank, item = self.items.get()
        if isinstance(item, Failed):
            raise item.error from RemoteError(item.traceback)
        if isinstance(item, Gone):
            last_words = self.workers[rank].last_words()
            said = f": {last_words}" if last_words else ""
            asked = setting("devices", len(self.workers))
            raise UserError(f"{asked}: process {rank + 1} of {len(self.workers)} {item}{said}")
        part = next(left, None)
        if part is not None:
            self.workers[rank].send(pickle.dumps(part))
        done: Done = item
        return done


def _size(items: int, workers: int) -> int:
    """Return how many items a part has: whole batches, so that they are those of one process."""
    batches = -(-items // BATCH)
    return min(PART, BATCH * max(1, batches // (SHARES * workers)))
