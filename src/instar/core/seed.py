"""All chance in a run is a function of its seed and of the step, so a resumed run needs no generator's state."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

_TURN = threading.RLock()


def mix(*numbers: int) -> int:
    """Return 64 well-mixed bits of some non-negative integers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def generator(*numbers: int) -> torch.Generator:
    """Return a new generator on the CPU, a function of some non-negative integers such as a seed and a number."""
    return torch.Generator().manual_seed(mix(*numbers))


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Within this context torch's global generators are a function of some non-negative integers.

    Afterwards they are as they were. Threads enter one after the other, so that none draws from another's numbers.
    """
    with _TURN:
        started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        with torch.random.fork_rng(range(torch.cuda.device_count()) if started else ()):
            torch.manual_seed(mix(*numbers))
            yield


def seed_step(seed: int, step: int) -> None:
    """Seed torch's global generators, of all devices, for one step of a run."""
    torch.manual_seed(mix(seed, step))
