"""How much memory a process has held at most."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import torch


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
