"""Measures a training step in this process."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from statistics import median

import torch
from torch.utils.flop_counter import FlopCounterMode


def timed(step: Callable[[int], None], repeat: int, weights: int, translate: Callable[[], object]) -> dict[str, float]:
    """Return seconds, memory and floating point operations of a step.

    Args:
        step: does the step of a number.
        repeat: steps that are timed, after one that is not.
        weights: how many numbers are trained, to be told beside.
        translate: translates the images once.

    Returns:
        Medians of the seconds by the clock and of the processor, the process's peak memory in GB, the weights, and the
        floating point operations of convolutions and matrix products: those of a translation, and those of a step,
        backward included, counted in one more step.
    """
    clock, processor = [], []
    for number in range(repeat + 1):
        begin = time.perf_counter(), time.process_time()
        step(number)
        clock.append(time.perf_counter() - begin[0])
        processor.append(time.process_time() - begin[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    in_step, in_translation = FlopCounterMode(display=False), FlopCounterMode(display=False)
    with in_step:
        step(repeat + 1)
    with in_translation, torch.no_grad():
        translate()
    return {
        "seconds": median(clock[1:]),
        "processor": median(processor[1:]),
        "gigabytes": peak,
        "weights": weights,
        "operations": in_step.get_total_flops(),
        "translation": in_translation.get_total_flops(),
    }
