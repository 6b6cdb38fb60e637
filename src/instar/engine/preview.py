"""Sample pictures over time, from the same held-out images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.utils import make_grid, save_image

from instar.core.abilities import Styled
from instar.core.batch import Batch, Domain
from instar.core.method import Method
from instar.core.seed import seed_step

STYLES = 3
"""Translations shown of each image by a method with styles, the same styles at all times."""


def sheet(method: Method[Any], samples: Batch, seed: int) -> Tensor:
    """Return a picture (3, H, W) in [0, 1] of held-out images above their translations.

    One column for each sample; for each domain that can be translated, the images and below them, for each other
    domain that the method translates to, the translations (several, for a method with styles) and for pairs the truth.
    The method must be in eval mode.
    """
    rows = []
    for source, x in samples.images.items():
        targets = [to for to in sorted(method.targets) if to != source]
        rows += [x] if targets else []
        for to in targets:
            rows += translations(method, x, to, seed)
            rows += [samples.images[to]] if samples.paired(source, to) else []
    columns = min((len(row) for row in rows), default=0)
    if columns == 0:
        return torch.zeros(3, 1, 1)
    tiles = torch.cat([row[:columns].float().cpu() for row in rows])
    picture: Tensor = make_grid(tiles.clamp(-1, 1).add(1).div(2), nrow=columns, padding=2, pad_value=1.0)
    return picture


def translations(method: Method[Any], x: Tensor, to: Domain, seed: int) -> list[Tensor]:
    """Translate images (N, C, H, W), once for each of the styles that are shown."""
    found = []
    for number in range(STYLES if isinstance(method, Styled) else 1):
        seed_step(seed, number)
        found.append(method.translate(x, to=to))
    return found


def save(picture: Tensor, folder: Path, step: int) -> Path:
    """Write a picture (3, H, W) in [0, 1] as step-N.png and return its path."""
    folder.mkdir(exist_ok=True)
    path = folder / f"step-{step:09d}.png"
    save_image(picture, path)
    return path
