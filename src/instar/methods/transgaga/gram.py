"""Whether two images are of the same stuff: Gram matrices of features (Gatys et al. 2016; L_con of TransGaGa)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as nnf

from instar.core.device import moved
from instar.core.errors import setting
from instar.core.precision import full_precision
from instar.losses.perceptual import VGG16

Features = Callable[[Tensor], list[Tensor]]
"""Maps images (N, C, H, W) in [-1, 1] to features of several layers."""


def gram(features: Tensor) -> Tensor:
    r"""\(F F^T / (C H W)\): which channels go together, wherever they do.

    Args:
        features: (N, C, H, W).

    Returns:
        (N, C, C), symmetric, without negative eigenvalues, in float32 or better. Its trace is the mean of the squares.
    """
    with torch.autocast(features.device.type, enabled=False):
        f = full_precision(features).flatten(2)
        return f @ f.transpose(1, 2) / f[0].numel()


def gram_distance(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Return the sum over the layers of the mean absolute differences of the Gram matrices of features."""
    return torch.stack([nnf.l1_loss(gram(f), gram(w)) for f, w in zip(found, wanted, strict=True)]).sum()


class RandomPyramid:
    """Three layers of random convolutions, always the same: colours and textures, but no meaning; needs no weights.

    Not a module: it belongs to nobody's weights, so no checkpoint, optimiser or average holds it.
    """

    def __init__(self, channels: int = 3, width: int = 64) -> None:
        """Draw the kernels from a generator of their own.

        Args:
            channels: of the images.
            width: channels of the first layer; the others have 2 and 4 times as many and half the sides.
        """
        chance = torch.Generator().manual_seed(0)
        self.kernels = [
            torch.randn(cout, cin, 3, 3, generator=chance, device="cpu") * (2 / (9 * cin)) ** 0.5
            for cin, cout in pairwise([channels, width, 2 * width, 4 * width])
        ]

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Map images (N, C, H, W) in [-1, 1] to features (N, width, H, W) and those of the two smaller layers."""
        self.kernels = [moved(kernel, images.device) for kernel in self.kernels]
        out = []
        for i, kernel in enumerate(self.kernels):
            images = nnf.conv2d(images, kernel.to(images.dtype), stride=2 if i else 1, padding=1).relu()
            out.append(images)
        return out


class Texture:
    """Compares textures in features of VGG-16, relu1_2 to relu4_3, or in random ones. Not a module either."""

    def __init__(self, kind: Literal["vgg", "random"], channels: int = 3, width: int = 64) -> None:
        """Choose the features; `channels` and `width` are those of `RandomPyramid`."""
        self.vgg = VGG16("relu4_3", setting("method.texture", "random")) if kind == "vgg" else None
        self.features: Features = self.vgg.levels if self.vgg else RandomPyramid(channels, width)

    def distance(self, out: Tensor, source: Tensor) -> Tensor:
        """Return `gram_distance` of images (N, C, H, W) in [-1, 1] and of others, which are fixed."""
        with torch.no_grad():
            wanted = self.features(source)
        return gram_distance(self.features(out), wanted)

    def note(self) -> str:
        """Return what a user should know before a training that needs weights."""
        return self.vgg.note() if self.vgg else ""
