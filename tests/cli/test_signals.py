import signal
import sys
import threading

import pytest

from instar.cli.signals import stop_on_signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


@pytest.mark.parametrize("number", ALL)
def test_the_first_one_asks_and_the_second_acts_as_usual(number: signal.Signals) -> None:
    seen: list[int] = []
    before = signal.signal(number, lambda number, _: seen.append(number))
    try:
        stop = threading.Event()
        with stop_on_signals(stop):
            assert not stop.is_set()
            signal.raise_signal(number)  # to this thread, at once; os.kill may reach another, and come late
            assert stop.is_set()
            assert seen == []
            signal.raise_signal(number)
            assert seen == [number]
        signal.raise_signal(number)
        assert seen == [number] * 2, "afterwards all is as before"
    finally:
        signal.signal(number, before)


def test_a_hang_up_stays_ignored_under_nohup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = threading.Event()
        with stop_on_signals(stop):
            signal.raise_signal(signal.SIGHUP)
            assert not stop.is_set()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
