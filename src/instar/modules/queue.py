"""A memory of vectors that fills up."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Queue(nn.Module):
    """The last `size` vectors pushed, oldest first. It is empty at the start.

    One queue a process: with several devices each keeps the vectors of its share of the batch.
    """

    rows: Tensor
    length: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(size, dim))
        self.register_buffer("length", torch.zeros((), dtype=torch.long))

    def __len__(self) -> int:
        return int(self.length)

    @torch.no_grad()
    def push(self, vectors: Tensor) -> None:
        """Put `vectors` (K, dim) at the end; the oldest go."""
        size = len(self.rows)
        self.rows.copy_(torch.cat([self.rows, vectors.to(self.rows)])[-size:])
        self.length.add_(len(vectors)).clamp_(max=size)

    def vectors(self) -> Tensor:
        """Return a copy of the vectors (len, dim), which later pushes leave alone."""
        return self.rows[len(self.rows) - len(self) :].clone()
