import threading
import time

import pytest

from instar.core.memory import Budget, memory


def test_threads_wait_for_each_other() -> None:
    budget, most, now, lock = Budget(lambda: 100), 0, 0, threading.Lock()

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
    assert (most, now) == (2, 0)


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
