"""Learning-rate schedules: pure functions of progress, so resuming needs no scheduler state."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from instar.core.progress import Progress


def linear(at: Progress, hold: float) -> float:
    """Factor of the learning rate: 1 for the first `hold` of the run, then a line towards 0.

    CycleGAN, section 7.2 of the paper. With one step an epoch this is the rule of the authors' PyTorch
    code, ``1 - max(0, e - n) / (n_decay + 1)`` at the 1-based epoch e: it never reaches 0,
    so that the last step still learns. Here it moves every step instead of every epoch.

    Args:
        at: the current step and the length of the run.
        hold: share of the run at the full rate, in [0, 1]; 1 never decays.
    """
    constant = hold * at.steps
    decaying = at.steps - constant
    return 1.0 - max(0.0, at.step + 1 - constant) / (decaying + 1)


def halving(at: Progress, every: float) -> float:
    """Factor of the learning rate: halved after each share `every` of the run; 0 never does (MUNIT, UNIT)."""
    return 0.5 ** int(at.step / (every * at.steps)) if every else 1.0


def stage(at: Progress, shares: Sequence[float]) -> tuple[int, Progress]:
    """Return which part of a run `at` is in, from 0, and where in that part.

    Args:
        at: the current step and the length of the run.
        shares: of the run, one for each part but the last, which takes what is left.
    """
    start = 0
    for number, share in enumerate(accumulate(shares)):
        end = round(share * at.steps)
        if at.step < end:
            return number, Progress(at.step - start, end - start, at.epoch_length)
        start = end
    return len(shares), Progress(at.step - start, at.steps - start, at.epoch_length)
