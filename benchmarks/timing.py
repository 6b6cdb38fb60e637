"""Measures a training step in this process."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from statistics import median

import torch
from torch.utils.flop_counter import FlopCounterMode


def timed(
    step: Callable[[int], None], repeat: int, weights: int, translate: Callable[[], object], device: str = "cpu"
) -> dict[str, float]:
    """Return seconds, memory and floating point operations of a step.

    Args:
        step: does the step of a number.
        repeat: steps that are timed, after one that is not; on a GPU after three, in which it tries its kernels.
        weights: how many numbers are trained, to be told beside.
        translate: translates the images once.
        device: where: cpu or cuda. On cuda each step is waited for.

    Returns:
        Medians of the seconds by the clock and of the processor, the peak memory in GB (of the process, or what
        PyTorch took of the GPU's), the weights, and the floating point operations of convolutions and matrix products:
        those of a translation, and those of a step, backward included, counted in one more step.
    """
    cuda = device == "cuda"
    wait: Callable[[], None] = torch.cuda.synchronize if cuda else lambda: None
    warm = 3 if cuda else 1
    clock, processor = [], []
    for number in range(repeat + warm):
        wait()
        begin = time.perf_counter(), time.process_time()
        step(number)
        wait()
        clock.append(time.perf_counter() - begin[0])
        processor.append(time.process_time() - begin[1])
    kept = torch.cuda.max_memory_allocated() / 1e9 if cuda else None
    peak = kept or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    in_step, in_translation = FlopCounterMode(display=False), FlopCounterMode(display=False)
    with in_step:
        step(repeat + warm)
    with in_translation, torch.no_grad():
        translate()
    return {
        "seconds": median(clock[warm:]),
        "processor": median(processor[warm:]),
        "gigabytes": peak,
        "weights": weights,
        "operations": in_step.get_total_flops(),
        "translation": in_translation.get_total_flops(),
    }
