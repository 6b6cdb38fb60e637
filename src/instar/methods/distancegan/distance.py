"""Distances between images, or between the halves of one, which a translation should keep (DistanceGAN)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from instar.core.precision import full_precision

Between = Literal["images", "top-bottom", "left-right"]


def distances(x: Tensor, between: Between = "images") -> Tensor:
    r"""Mean absolute differences \(d(u, v) = E|u - v|\) of pairs taken from a batch.

    Args:
        x: images (N, C, H, W).
        between: all pairs of images i < j, or the two halves of each image. Of an odd number of rows or columns the
            one in the middle belongs to no half.

    Returns:
        (N (N - 1) / 2,) or (N,), in float32 or better.
    """
    x = full_precision(x)
    if between == "images":
        if len(x) < 2:
            raise ValueError(f"distances between images need at least 2 images, not {len(x)}")
        return torch.cat([(x[i + 1 :] - x[i]).abs().flatten(1).mean(1) for i in range(len(x) - 1)])
    side = 2 if between == "top-bottom" else 3
    half = x.shape[side] // 2
    first, last = x.narrow(side, 0, half), x.narrow(side, x.shape[side] - half, half)
    return (first - last).abs().flatten(1).mean(1)


@torch.no_grad()
def all_distances(levels: Tensor, between: Between = "images", chunk: int = 32) -> Tensor:
    """Return what `distances` gives for many images, without gradient.

    Args:
        levels: images (N, C, H, W) as numbers from 0 to 255, uint8; they stand for -1 to 1.
        between: as in `distances`.
        chunk: images compared with as many others at once; the images of two chunks are held in float32.
    """
    n = len(levels)
    if between != "images":
        return torch.cat([distances(part.float(), between) for part in torch.split(levels, chunk)]) / 127.5
    rows = levels.flatten(1)
    table = torch.zeros(n, n, device=rows.device)
    for i in range(0, n, chunk):
        here = rows[i : i + chunk].float()
        for j in range(i, n, chunk):
            table[i : i + chunk, j : j + chunk] = torch.cdist(here, rows[j : j + chunk].float(), p=1)
    row, column = torch.triu_indices(n, n, 1, device=rows.device)
    return table[row, column] / (127.5 * rows.shape[1])
