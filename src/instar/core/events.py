"""What happens in a long piece of work, as typed values: the terminal's bar, log files and web pages are listeners."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from instar.core.errors import Message

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


CHANGE = "change (L1)"
"""Grey levels between input and translation: the measurement that a line of progress shows."""


@dataclass(frozen=True)
class Started:
    """A training begins, or goes on.

    Attributes:
        run: its directory.
        method: its name.
        step: steps done before.
        steps: length of the whole run.
        batch: images per domain in a step, over all processes.
        device: of this process, such as cpu or cuda:0.
        rank: of this process, if a launcher has started several; only that of rank 0 hears more than this and
            `Finished`.
    """

    run: Path
    method: str
    step: int
    steps: int
    batch: int
    device: str
    rank: int = 0


@dataclass(frozen=True)
class Stepped:
    """A step is done.

    Attributes:
        step: steps done.
        waited: seconds spent waiting for images since the training began or went on.
    """

    step: int
    waited: float


@dataclass(frozen=True)
class Logged:
    """Means of all terms over an interval.

    Attributes:
        step: steps done.
        values: by name, such as G/cycle_x; a list holds counts of images by group.
        seconds: of training so far, those before it was resumed included.
        images_per_second: per domain, over all these seconds.
    """

    step: int
    values: Mapping[str, float | list[int]]
    seconds: float
    images_per_second: float


@dataclass(frozen=True)
class Pictured:
    """A sample picture was made.

    Attributes:
        step: steps done.
        path: its file; None if it could not be written.
        picture: pixels (H, W, 3), without the labels that the file has at its right.
    """

    step: int
    path: Path | None
    picture: NDArray[np.uint8] = field(repr=False)


@dataclass(frozen=True)
class Saved:
    """A checkpoint was written.

    Attributes:
        step: steps done.
        path: its folder.
    """

    step: int
    path: Path


@dataclass(frozen=True)
class Scored:
    """The run was scored on its validation images.

    Attributes:
        step: steps done.
        scores: by name; the first decides which checkpoint is best, the lower the better.
    """

    step: int
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Watched:
    """Translations of held-out images were measured.

    Attributes:
        step: steps done.
        values: numbers by name, such as change (L1), for each domain that is translated into.
    """

    step: int
    values: Mapping[str, Mapping[str, float]]

    @property
    def means(self) -> dict[str, float]:
        """The numbers by name, each the mean over the domains."""
        names = dict.fromkeys(name for values in self.values.values() for name in values)
        each = {name: [values[name] for values in self.values.values() if name in values] for name in names}
        return {name: sum(found) / len(found) for name, found in each.items()}


@dataclass(frozen=True)
class Noted:
    """Something that a user should know.

    Attributes:
        text: one line.
        level: a warning is about something that may need an action.
    """

    text: Message
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True)
class Worked:
    """A part of a longer piece of work is done: images decoded, translated or measured.

    Attributes:
        what: is being done, such as "decoding images".
        done: parts that are done.
        total: parts in all; 0 if that is not known.
    """

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class Finished:
    """A training has ended, or was stopped.

    Attributes:
        step: steps done.
        reached: whether that is the end of the run.
        seconds: of training, those before it was resumed included.
    """

    step: int
    reached: bool
    seconds: float


Event = Started | Stepped | Logged | Pictured | Saved | Scored | Watched | Noted | Worked | Finished
Listener = Callable[[Event], None]


class Listeners:
    """Hands each event to several listeners, in their order.

    One that raises gets no more events. The others go on, and the first error is kept for those who do the work: they
    bring it to an end at which nothing is lost, and raise it there.
    """

    def __init__(self, *listeners: Listener) -> None:
        self.listeners = list(listeners)
        self.error: Exception | None = None

    def add(self, *listeners: Listener) -> None:
        """Let more of them listen, after those there are."""
        self.listeners += listeners

    def clear(self) -> None:
        """Let go of them all: some hold these listeners themselves, and what they hold would stay with them."""
        self.listeners.clear()

    def __call__(self, event: Event) -> None:
        """Hand on an event."""
        for listener in list(self.listeners):
            try:
                listener(event)
            except Exception as error:
                self.listeners.remove(listener)
                self.error = self.error or error

    def raise_error(self) -> None:
        """Raise what a listener raised, if one did."""
        if self.error is not None:
            raise self.error


class Stop(Protocol):
    """Tells whether somebody asked a piece of work to stop, as `threading.Event` does."""

    def is_set(self) -> bool:
        """Return whether to stop."""


def ignore(_: Event) -> None:
    """Listen to nothing."""


def note(text: str) -> Noted:
    """Return an event for a line that informs."""
    return Noted(Message(text))


def warning(text: str) -> Noted:
    """Return an event for a line that warns."""
    return Noted(Message(text), "warning")
