"""Random changes of the colours of training digits."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as nnf

from instar.core.device import moved


def random_paint(x: Tensor) -> Tensor:
    """Give the dark and the light of each image random colours: even, or changing softly over the image.

    What is -1 takes one colour, what is 1 another, and grays lie between. Both colours of an image are those of random
    grids of 1 (even), 2, 4 or 8 places a side, a quarter of the images each, read bilinearly. Any contrast may come
    out, even none. Chance comes from torch's global generator, drawn on the CPU.

    Args:
        x: images (N, C, H, W) in [-1, 1], gray ones with their channel repeated.

    Returns:
        Images like `x`, in [-1, 1].
    """
    places = torch.rand(2 * len(x), x.shape[1], 8, 8) * 2 - 1
    grid = torch.randint(4, (len(x),)).repeat(2)
    fields = torch.empty(2 * len(x), *x.shape[1:])
    for i, side in enumerate((1, 2, 4, 8)):
        cells = places[grid == i, :, :side, :side]
        fields[grid == i] = nnf.interpolate(cells, x.shape[2:], mode="bilinear", align_corners=True)
    dark, light = moved(fields.to(x.dtype), x.device).chunk(2)
    return dark + (light - dark) * (x + 1) / 2
