"""A first-in, first-out memory of vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf


class VectorQueue(nn.Module):
    """The last `size` vectors pushed, in a ring: new ones take the places of the oldest.

    One queue a process: with several devices each keeps the vectors of its share of the batch.
    """

    rows: Tensor
    """The ring (size, dim)."""
    place: Tensor
    """Where the next vector goes."""
    length: Tensor
    """How many vectors there are."""

    def __init__(self, size: int, dim: int, *, filled: bool = False) -> None:
        """Build the queue.

        Args:
            size: vectors to keep.
            dim: numbers in a vector.
            filled: start full of random unit vectors (He et al. 2020, MoCo), not empty.
        """
        super().__init__()
        rows = nnf.normalize(torch.randn(size, dim), dim=1) if filled else torch.zeros(size, dim)
        self.register_buffer("rows", rows)
        # A checkpoint holds the place of a queue that is always full, or the length of one that it holds in order.
        self.filled = filled
        self.register_buffer("place", torch.tensor(0), persistent=filled)
        self.register_buffer("length", torch.tensor(size if filled else 0), persistent=not filled)
        self._count = size if filled else 0  # as `length`, which may lie on a GPU that would have to be waited for
        self._journal: list[tuple[Tensor, Tensor, Tensor, int]] | None = None
        """Of each push since the journal was begun the places, the rows that were there, the next place and the number
        of vectors."""

    def __len__(self) -> int:
        return self._count

    @torch.no_grad()
    def push(self, vectors: Tensor) -> None:
        """Put `vectors` (K, dim) at the end; the oldest go. Of more than `size` only the last are kept."""
        size = len(self.rows)
        vectors = vectors[-size:]
        slots = (self.place + torch.arange(len(vectors), device=self.rows.device)) % size
        if self._journal is not None:
            self._journal.append((slots, self.rows[slots], self.place.clone(), self._count))
        self.rows[slots] = vectors.to(self.rows)
        self.place.copy_((self.place + len(vectors)) % size)
        self._count = min(self._count + len(vectors), size)
        self.length.fill_(self._count)

    def begin_journal(self) -> Callable[[], None]:
        """From here on keep what is needed to go back; return what goes back here."""
        journal: list[tuple[Tensor, Tensor, Tensor, int]] = []
        self._journal = journal
        return lambda: self._undo(journal)

    @torch.no_grad()
    def _undo(self, journal: list[tuple[Tensor, Tensor, Tensor, int]]) -> None:
        while journal:
            slots, rows, place, self._count = journal.pop()
            self.rows[slots] = rows
            self.place.copy_(place)
            self.length.fill_(self._count)

    def vectors(self) -> Tensor:
        """Return a copy of the vectors (len, dim), oldest first, which later pushes leave alone."""
        return self._in_order()[len(self.rows) - len(self) :]

    def _in_order(self) -> Tensor:
        """Return the ring from its oldest row on."""
        size = len(self.rows)
        return self.rows[(self.place + torch.arange(size, device=self.rows.device)) % size]

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if not self.filled:
            destination[prefix + "rows"] = self._in_order()

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state, prefix, *args)
        if not self.filled:
            self.place.zero_()
            self._count = int(self.length)
