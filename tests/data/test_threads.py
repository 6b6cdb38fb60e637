"""Threads that take chunks."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from instar.data.threads import CHUNK, each_in_threads, in_threads


@pytest.mark.parametrize("count", [0, 1, CHUNK, 3 * CHUNK + 1])
def test_all_in_their_order(count: int) -> None:
    assert in_threads(lambda number: -number, range(count), 4) == [-number for number in range(count)]


def test_several_work_at_once() -> None:
    both = threading.Barrier(2, timeout=10)
    assert len(in_threads(lambda number: both.wait() if number % CHUNK == 0 else 0, range(2 * CHUNK), 2)) == 2 * CHUNK


def test_what_goes_wrong_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda number: 1 // number, range(3), 2)


def test_each_is_worked_on_a_few_ahead() -> None:
    asked: list[int] = []
    with ThreadPoolExecutor(2) as pool:
        found = each_in_threads(lambda item: asked.append(item) or -item, range(1000), pool)
        assert next(found) == 0
        assert len(asked) <= 64
        assert list(found) == [-i for i in range(1, 1000)]
