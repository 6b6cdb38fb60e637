"""A sample of the training images, to measure something on before training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class ImageSample:
    """The first `size` different images of a stream, or all of them if there are fewer.

    They are rounded to 256 levels, a quarter of the memory; images of 8-bit files lose nothing.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.done = False
        """Whether later images change nothing any more."""
        self._levels: dict[str, Tensor] = {}

    def __len__(self) -> int:
        return len(self._levels)

    def add(self, images: Tensor, names: Sequence[str] = ()) -> None:
        """Take in images (N, C, H, W) in [-1, 1].

        Args:
            images: the next ones.
            names: of their files; a file that comes again ends the sample, since loaders repeat none before all have
                come. Without as many names as images all images count as different.
        """
        known = len(names) == len(images)
        for i, image in enumerate(images):
            name = names[i] if known else str(len(self))
            self.done = self.done or name in self._levels or len(self) == self.size
            if not self.done:
                self._levels[name] = ((image + 1) * 127.5).round().byte()

    def levels(self) -> Tensor:
        """Return the images (N, C, H, W) as numbers from 0 to 255, uint8."""
        return torch.stack(list(self._levels.values()))
