"""What holds for every function of the library: it prints nothing, and leaves the chance of others alone."""

import logging
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import pytest
import torch

Found = TypeVar("Found")


@contextmanager
def quietly(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Nothing is printed, no generator is moved, no handler of logs or signals is changed within this context."""
    before = _state()
    capfd.readouterr()
    yield
    assert capfd.readouterr() == ("", "")
    for name, (old, new) in {name: (before[name], value) for name, value in _state().items()}.items():
        same = torch.equal(old, new) if isinstance(old, torch.Tensor) else old == new
        assert same, name


def in_a_thread(work: Callable[[], Found]) -> Found:
    """Return what a function returns that runs in another thread than the main one."""
    found: list[Found] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return found[0]


def _state() -> dict[str, object]:
    return {
        "torch": torch.get_rng_state(),
        "numpy": str(np.random.get_state()),
        "random": random.getstate(),
        "logging": (list(logging.getLogger().handlers), logging.getLogger("instar").level),
        "signals": (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)),
    }
