"""Stopping politely."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Whether somebody asked the run to stop."""

    asked = False

    def is_set(self) -> bool:
        """Return whether somebody did."""
        return self.asked


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Within this context the first SIGINT or SIGTERM sets `asked`; a second one acts as usual."""
    stop = Stop()
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, _: FrameType | None) -> None:
        stop.asked = True
        signal.signal(number, usual[signal.Signals(number)])

    for number in usual:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
