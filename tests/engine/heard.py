"""A listener that remembers."""

from __future__ import annotations

from typing import TypeVar

from instar.core.events import Event, Noted

EventT = TypeVar("EventT")


class Heard(list[Event]):
    """All that was told, in order."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def of(self, kind: type[EventT]) -> list[EventT]:
        return [event for event in self if isinstance(event, kind)]

    @property
    def warnings(self) -> list[str]:
        return [str(event.text) for event in self.of(Noted) if event.level == "warning"]
