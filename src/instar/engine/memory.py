"""The memory of training steps: keeping it from one step to the next, and how much there was at most."""

from __future__ import annotations

import ctypes
import re
import sys
from pathlib import Path

import torch

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Let the process keep the blocks that a step frees, on Linux with glibc; elsewhere do nothing.

    By default malloc maps every block above 32 MB anew and gives it back when it is freed. At 256 px that is every
    activation, and the kernel spends up to a third of a step on CPUs clearing pages. GPUs have PyTorch's own cache.
    """
    if sys.platform != "linux":
        return
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:  # another C library, such as musl
        return
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def peak_memory(device: torch.device) -> int:
    """Return the most bytes that this process has held so far; 0 where that cannot be told.

    On CUDA these are the bytes of tensors on the GPU. Elsewhere it is the whole process as it lies in memory, PyTorch
    and the pages of the image cache included.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "linux":
        # Not getrusage: there, a process that was started by a larger one begins with the peak of that one.
        found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
        return int(found[1]) * 1024 if found else 0
    if sys.platform == "darwin":
        import resource  # noqa: PLC0415  (Windows has none)

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes there, kB elsewhere
    return 0
