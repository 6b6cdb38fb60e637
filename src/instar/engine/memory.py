"""Keeping the memory of one training step for the next."""

from __future__ import annotations

import ctypes
import sys

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
