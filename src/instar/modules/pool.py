"""A history of generated images for the discriminator (Shrivastava et al. 2017)."""

from __future__ import annotations

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
            self.images = torch.cat([self.images.to(fake), fake[None]]) if stored else fake[None].clone()
            return fake
        if torch.rand(()) < 0.5:
            return fake
        slot = int(torch.randint(stored, ()))
        old = self.images[slot].clone()
        self.images[slot] = fake
        return old

    def drop_not_finite(self) -> None:
        """Take out the images that hold numbers that are not finite."""
        if len(self.images):
            self.images = self.images[self.images.isfinite().flatten(1).all(1)]

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *args: Any) -> None:
        # The buffer grows, so a loaded one may have another shape than this one.
        if prefix + "images" in state:
            self.images = torch.empty_like(state[prefix + "images"], device=self.images.device)
        super()._load_from_state_dict(state, prefix, *args)
