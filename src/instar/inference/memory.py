"""How much memory a translation takes, and how much there is."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from instar.core.memory import give_back_freed_memory

GROUP = Path("/sys/fs/cgroup")
"""Where Linux says what a container may use."""


@dataclass(frozen=True)
class Cost:
    """What a pass takes for each pixel of an image.

    Attributes:
        bytes: the most that its tensors take at a time.
        seconds: of a small image, on this machine.
    """

    bytes: float
    seconds: float


def cost(run: Callable[[Tensor], Tensor], x: Tensor) -> Cost:
    """Measure what a pass with a small image (1, C, H, W) takes: all tensors that it makes, the image itself too."""
    pixels = x.shape[-2] * x.shape[-1]
    with _Counted() as counted:
        run(x)
    began = time.perf_counter()
    run(x).sum().item()  # waits for a GPU
    return Cost(counted.most / pixels + x.shape[1] * x.element_size(), (time.perf_counter() - began) / pixels)


def free_bytes(device: torch.device) -> int:
    """Return how much memory is free for tensors on a device."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory()) - int(torch.mps.driver_allocated_memory())
    give_back_freed_memory()
    return min(int(psutil.virtual_memory().available), _free_in_group())


def _free_in_group() -> int:
    """Return what the container's limit leaves, if it has one. What it caches of files can be freed."""
    try:
        most = int((GROUP / "memory.max").read_text())
        used = int((GROUP / "memory.current").read_text())
        stat = dict(line.split() for line in (GROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # not Linux, no limit ("max"), or an older kernel
        return 2**63
    return most - used + int(stat.get("inactive_file", 0))


class _Counted(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors that operations make, and the most of them that there are at a time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = 0
        self.most = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        # Views and what is changed in place have a storage that is known, or was there before.
        before = {one.untyped_storage() for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)}
        for one in tree_leaves(out):
            if isinstance(one, Tensor) and one.untyped_storage() not in before:
                self._add(one.untyped_storage())
        if function.overloadpacket is torch.ops.aten.convolution:
            # Kernels bring both into an order of their own, in memory that no tensor shows.
            self.most = max(self.most, self.now + args[0].nbytes + out.nbytes)
        return out

    def _add(self, storage: Any) -> None:
        if storage in self._known:
            return
        self._known.add(storage)
        size = storage.nbytes()
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._drop, size)

    def _drop(self, size: int) -> None:
        self.now -= size
