"""Signals, in processes of their own: other tests of a process may leave it with other ones."""

import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
ALL = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
TWICE = """
import signal, sys, threading
from instar.cli.signals import stop_on_signals

number, seen, stop = signal.Signals[sys.argv[1]], [], threading.Event()
signal.signal(number, lambda number, _: seen.append(number))
with stop_on_signals(stop):
    assert not stop.is_set()
    signal.raise_signal(number)
    assert stop.is_set()
    assert seen == []
    signal.raise_signal(number)
    assert seen == [number]
signal.raise_signal(number)
assert seen == [number] * 2, "afterwards all is as before"
"""
NOHUP = """
import signal, threading
from instar.cli.signals import stop_on_signals

signal.signal(signal.SIGHUP, signal.SIG_IGN)
stop = threading.Event()
with stop_on_signals(stop):
    signal.raise_signal(signal.SIGHUP)
    assert not stop.is_set()
assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
"""


def ended(script: str, *arguments: str) -> tuple[int, str]:
    """Run a script; return its exit code, or minus the number of the signal that ended it, and its stderr."""
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("name", ALL)
def test_the_first_one_asks_and_the_second_acts_as_usual(name: str) -> None:
    assert ended(TWICE, name) == (0, "")


def test_where_nothing_is_usual_the_second_ends_the_process() -> None:
    script = TWICE.replace("signal.signal(number, lambda number, _: seen.append(number))", "")
    assert ended(script, "SIGTERM")[0] == -signal.SIGTERM


def test_a_hang_up_stays_ignored_under_nohup() -> None:
    assert ended(NOHUP) == (0, "")
