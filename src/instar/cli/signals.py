"""Stopping politely."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
"""Ctrl-C, the end of a job, a terminal that is closed, and Slurm's warning that the time is nearly over."""


@contextmanager
def stop_on_signals(stop: threading.Event) -> Iterator[None]:
    """Within this context the first of each of these signals sets `stop`; a second one acts as usual.

    A hang-up that is ignored, as under nohup, stays ignored.
    """
    numbers = [signal.Signals[name] for name in NAMES if name in signal.Signals.__members__]  # Windows has two
    before = {number: signal.getsignal(number) for number in numbers}
    usual = {n: handler for n, handler in before.items() if not (n.name == "SIGHUP" and handler == signal.SIG_IGN)}

    def ask(number: int, _: FrameType | None) -> None:
        stop.set()
        signal.signal(number, usual[signal.Signals(number)])

    for number in usual:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
