"""All chance in a run is a function of its seed and of the step, so a resumed run needs no generator's state."""

from __future__ import annotations

import numpy as np
import torch


def mix(*numbers: int) -> int:
    """Return 64 well-mixed bits of some non-negative integers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def seed_step(seed: int, step: int) -> None:
    """Seed torch's global generators, of all devices, for one step of a run."""
    torch.manual_seed(mix(seed, step))
