"""What lets any method be trained within masks: networks that keep what is hidden of their input hidden."""

from __future__ import annotations

from torch import Tensor, nn

from instar.core.masks import limited


class Masked(nn.Module):
    """A network that makes images of images, pixel on pixel, and that a training with masks (`data.masks`) may use.

    A subclass gives its output through `limit`. Discriminators and all terms of a loss then see the same outside of a
    mask, real or fake, whatever the method does with the images.
    """

    masked = False
    """Whether what is hidden of an input is hidden of the output too."""

    def limit(self, out: Tensor, x: Tensor) -> Tensor:
        """Return the output (N, C, H, W) for images x (N, C', H, W)."""
        return limited(out, x) if self.masked else out
