"""How far a piece of work is, told while its batches go by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from instar.core.events import Event, Listener, Worked

BatchT = TypeVar("BatchT")


def counted(
    batches: Iterable[BatchT], size: Callable[[BatchT], int], what: str, total: int, on_event: Listener
) -> Iterator[BatchT]:
    """Yield batches, and tell when the first is awaited and each is done with.

    Args:
        batches: of anything.
        size: returns how many are in a batch.
        what: is being done.
        total: how many there are in all.
        on_event: is told.
    """
    done = 0
    on_event(Worked(what, done, total))
    for batch in batches:
        yield batch
        done += size(batch)
        on_event(Worked(what, done, total))


def part_of(on_event: Listener, whole: object) -> Listener:
    """Return a listener for a part of the work, which passes on what it is told as of `whole`, such as a run."""

    def listen(event: Event) -> None:
        on_event(Worked(f"{whole}: {event.what}", event.done, event.total) if isinstance(event, Worked) else event)

    return listen
