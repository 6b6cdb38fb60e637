"""Threads that take chunks."""

import threading

import pytest

from instar.data.threads import CHUNK, in_threads


@pytest.mark.parametrize("count", [0, 1, CHUNK, 3 * CHUNK + 1])
def test_all_in_their_order(count: int) -> None:
    assert in_threads(lambda number: -number, range(count), 4) == [-number for number in range(count)]


def test_several_work_at_once() -> None:
    both = threading.Barrier(2, timeout=10)
    assert len(in_threads(lambda number: both.wait() if number % CHUNK == 0 else 0, range(2 * CHUNK), 2)) == 2 * CHUNK


def test_what_goes_wrong_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda number: 1 // number, range(3), 2)
