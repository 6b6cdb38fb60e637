"""A first-in, first-out memory of vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf


class VectorBank(nn.Module):
    """The last `size` unit vectors pushed; random unit vectors before that (He et al. 2020, MoCo).

    One bank a process: with several devices each keeps the vectors of its share of the batch.
    """

    rows: Tensor
    place: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("rows", nnf.normalize(torch.randn(size, dim), dim=1))
        self.register_buffer("place", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def push(self, vectors: Tensor) -> None:
        """Overwrite the oldest rows with `vectors` (K, dim). Of more than `size` only the last are kept."""
        size = len(self.rows)
        vectors = vectors[-size:]
        slots = (self.place + torch.arange(len(vectors), device=self.rows.device)) % size
        self.rows[slots] = vectors.to(self.rows)
        self.place.copy_((self.place + len(vectors)) % size)
