"""Numbers of a device that nobody waits for."""

from __future__ import annotations

import torch
from torch import Tensor


class Reading:
    """A number of the device that is read when it has come: what the device does meanwhile goes on."""

    def __init__(self, value: Tensor) -> None:
        """Send for a number, a tensor of one."""
        self._value = value
        self._come: torch.cuda.Event | None = None
        if value.device.type == "cuda":
            self._value = torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
            self._value.copy_(value, non_blocking=True)
            self._come = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._come.record()

    def read(self) -> float:
        """Return it; wait if it has not come."""
        if self._come:
            self._come.synchronize()
        return float(self._value)
