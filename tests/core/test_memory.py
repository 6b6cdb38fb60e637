import subprocess
import sys
import threading
import time

import pytest
from engine.processes import INSTAR

from instar.core import memory as memory_of
from instar.core.memory import Budget, memory


@pytest.mark.parametrize(("shared", "together"), [(None, 2), (80, 2), (79, 1), (30, 1), (1000, 2)])
def test_threads_wait_for_each_other(shared: int | None, together: int) -> None:
    budget, most, now, lock = Budget(lambda: 100, shared), 0, 0, threading.Lock()

    def work() -> None:
        nonlocal most, now
        with budget.reserved(40):
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.01)
            with lock:
                now -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, now) == (together, 0)


def test_what_is_reserved_comes_back_after_an_error() -> None:
    budget = Budget(lambda: 100)
    for _ in range(3):
        with pytest.raises(ValueError, match="x"), budget.reserved(90):
            raise ValueError("x")


def test_one_alone_never_waits() -> None:
    entered = threading.Event()

    def reserve() -> None:
        with Budget(lambda: 100).reserved(1000):
            entered.set()

    threading.Thread(target=reserve, daemon=True).start()
    assert entered.wait(60)


def test_memory_of_this_machine() -> None:
    assert 2**28 < memory() < 2**50


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_big_blocks_are_kept() -> None:
    """Freed and asked for again, a block of 64 MB costs fewer new pages."""
    code = """
import resource, torch
from instar.core.memory import keep_freed_memory
if {keep}: keep_freed_memory()
for _ in range(10): torch.ones(2**24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10): torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    faults = {
        keep: int(subprocess.run([INSTAR[0], "-c", code.format(keep=keep)], capture_output=True, check=True).stdout)
        for keep in (False, True)
    }
    assert faults[True] < 0.5 * faults[False], faults


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(memory_of.ctypes, "CDLL", missing)
    memory_of.keep_freed_memory()
    memory_of.give_back_freed_memory()
    with memory_of.freed_memory_given_back():
        pass
    monkeypatch.setattr(memory_of.sys, "platform", "darwin")
    assert memory_of.keep_freed_memory() is None
    assert memory_of.give_back_freed_memory() is None


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_what_was_kept_is_given_back() -> None:
    code = """
import psutil, torch
from instar.core.memory import give_back_freed_memory, keep_freed_memory
keep_freed_memory()
torch.ones(2**26)
held = psutil.Process().memory_info().rss
give_back_freed_memory()
print(held - psutil.Process().memory_info().rss)
"""
    done = subprocess.run([INSTAR[0], "-c", code], capture_output=True, check=True)
    assert int(done.stdout) > 2**27


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_for_some_time_nothing_is_kept() -> None:
    code = """
import psutil, torch
from instar.core.memory import freed_memory_given_back, keep_freed_memory
def left(): torch.ones(2**26); return psutil.Process().memory_info().rss
keep_freed_memory()
with freed_memory_given_back():
    within = left()
print(left() - within)
"""
    done = subprocess.run([INSTAR[0], "-c", code], capture_output=True, check=True)
    assert int(done.stdout) > 2**27  # and after it blocks are kept again
