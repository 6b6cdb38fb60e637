"""Differentiable augmentation (Zhao et al. 2020): a discriminator sees all its images moved and with holes."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.device import moved

NetT = TypeVar("NetT", bound=nn.Module)

SHIFT, HOLE = 1 / 8, 1 / 2
"""The paper's numbers, shares of the sides."""


def augmented(net: NetT) -> NetT:
    """Let a discriminator see images through `diffaug`, in training mode only.

    With a few hundred images a discriminator learns them by heart and leaves the generator nothing to follow; one that
    never sees an image twice alike cannot. Real and generated images pass through the same changes, so that the
    generator is not asked to make them. Adds nothing to what is saved.
    """
    net.register_forward_pre_hook(_before)
    return net


def _before(net: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    return (diffaug(inputs[0]), *inputs[1:]) if net.training else None


def diffaug(x: Tensor, *, hole: float = HOLE, holed: float = 1.0, mirrored: bool = False) -> Tensor:
    """Move each image by up to an eighth of its sides, over gray, and cut a gray hole of half its sides anywhere.

    The paper changes brightness, saturation and contrast too. A translation may change colours, and a discriminator
    that does not see them lets them drift: cats turned blue. So they stay. Numbers come from torch's global generator,
    drawn on the CPU.

    Args:
        x: images (N, C, H, W) in [-1, 1].
        hole: side of a hole in sides of the image. A change that large holes often hide is not learnt.
        holed: share of the images that get one.
        mirrored: move over the image's mirror image instead of gray.

    Returns:
        Images like `x`, differentiable with respect to it.
    """
    return _cut(_move(x, mirrored), hole, holed)


def _move(x: Tensor, mirrored: bool) -> Tensor:
    height, width = x.shape[2:]
    most = [round(side * SHIFT) for side in (height, width)]
    padded = nnf.pad(x, (most[1], most[1], most[0], most[0]), mode="reflect" if mirrored else "constant")
    top, left = (moved(torch.randint(2 * far + 1, (len(x), 1)), x.device) for far in most)
    rows = top + torch.arange(height, device=x.device)
    columns = left + torch.arange(width, device=x.device)
    places = (rows[:, :, None] * padded.shape[3] + columns[:, None]).view(len(x), 1, -1)
    # One look-up for all images: of slices each would have a few operations of its own, and as many for its gradient.
    return padded.flatten(2).gather(2, places.expand(-1, x.shape[1], -1)).view(x.shape)


def _cut(x: Tensor, hole: float, holed: float) -> Tensor:
    holes = torch.zeros(len(x), 1, *x.shape[2:], dtype=torch.bool)
    for one in holes:
        if holed < 1 and torch.rand(()) >= holed:
            continue
        spans = []
        for side in x.shape[2:]:
            middle, half = int(torch.randint(side + 1, ())), round(side * hole / 2)
            spans.append(slice(max(0, middle - half), middle + half))
        one[:, spans[0], spans[1]] = True
    return x.masked_fill(moved(holes, x.device), 0)
