"""A history of generated images for the discriminator (Shrivastava et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class ImagePool(nn.Module):
    """The last fakes, as a buffer, so that a checkpoint holds them.

    Until it is full, a query stores and returns its images; then each image is, with probability 1/2, swapped for
    a stored one. One pool a process: with several devices each keeps the fakes of its share of the batch.
    """

    images: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self._journal: list[tuple[int | None, Tensor]] | None = None
        """For each image taken in since the journal was begun its place and the image that was there, or None and what
        the pool was before it grew."""
        self.register_buffer("images", torch.empty(0))

    @torch.no_grad()
    def forward(self, fakes: Tensor) -> Tensor:
        """Return as many images as `fakes` (N, C, H, W) has, some of them older; without gradient."""
        if self.size == 0:
            return fakes.detach()
        return torch.stack([self._swap(fake) for fake in fakes.detach()])

    def _swap(self, fake: Tensor) -> Tensor:
        stored = len(self.images)
        if stored < self.size:
            self._note(None, self.images)
            self.images = torch.cat([self.images.to(fake), fake[None]]) if stored else fake[None].clone()
            return fake
        if torch.rand(()) < 0.5:
            return fake
        slot = int(torch.randint(stored, ()))
        old = self.images[slot].clone()
        self.images[slot] = fake
        self._note(slot, old)
        return old

    def _note(self, slot: int | None, old: Tensor) -> None:
        if self._journal is not None:
            self._journal.append((slot, old))

    def begin_journal(self) -> Callable[[], None]:
        """From here on keep what is needed to go back; return what goes back here."""
        journal: list[tuple[int | None, Tensor]] = []
        self._journal = journal
        return lambda: self._undo(journal)

    @torch.no_grad()
    def _undo(self, journal: list[tuple[int | None, Tensor]]) -> None:
        while journal:
            slot, old = journal.pop()
            if slot is None:
                self.images = old
            else:
                self.images[slot] = old

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *args: Any) -> None:
        # The buffer grows, so a loaded one may have another shape than this one.
        if prefix + "images" in state:
            self.images = torch.empty_like(state[prefix + "images"], device=self.images.device)
        super()._load_from_state_dict(state, prefix, *args)
