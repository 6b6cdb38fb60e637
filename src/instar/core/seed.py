"""All chance in a run is a function of its seed and of the step, so a resumed run needs no generator's state."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # its import takes seconds, and mixing numbers can do without
    import torch

_TURN = threading.RLock()


def mix(*numbers: int) -> int:
    """Return 64 well-mixed bits of some non-negative integers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def generator(*numbers: int) -> torch.Generator:
    """Return a new generator on the CPU, a function of some non-negative integers such as a seed and a number."""
    import torch  # noqa: PLC0415

    return torch.Generator().manual_seed(mix(*numbers))


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Within this context torch's global generators are a function of some non-negative integers.

    Afterwards they are as they were. Threads enter one after the other, so that none draws from another's numbers. A
    GPU's generator takes part if the GPU was in use before.
    """
    import torch  # noqa: PLC0415

    seed = mix(*numbers)
    with _TURN:
        cuda, mps = torch.cuda.is_initialized(), torch.backends.mps.is_available()  # type: ignore[no-untyped-call]
        before = torch.get_rng_state()
        before_cuda = torch.cuda.get_rng_state_all() if cuda else []
        before_mps = torch.mps.get_rng_state() if mps else None
        # Not torch.manual_seed: where no GPU is in use yet, it would seed them later, for whoever uses them first.
        torch.default_generator.manual_seed(seed)
        if cuda:
            torch.cuda.manual_seed_all(seed)
        if mps:
            torch.mps.manual_seed(seed)
        try:
            yield
        finally:
            torch.set_rng_state(before)
            if cuda:
                torch.cuda.set_rng_state_all(before_cuda)
            if before_mps is not None:
                torch.mps.set_rng_state(before_mps)
