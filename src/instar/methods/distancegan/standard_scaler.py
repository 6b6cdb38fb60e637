"""Numbers in standard units of a training set."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class StandardScaler(nn.Module):
    """Subtracts a mean and divides by a deviation, both measured once, before training; 0 and 1 until then."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))

    @torch.no_grad()
    def fit(self, values: Tensor) -> None:
        """Take mean and population deviation of `values` (K,)."""
        values = values.double()
        self.mean.copy_(values.mean())
        self.deviation.copy_(values.std(correction=0))

    def forward(self, values: Tensor) -> Tensor:
        """Return (values - mean) / deviation."""
        return (values - self.mean) / self.deviation
