"""Sample pictures over time, from the same held-out images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from instar.core.abilities import Styled, supports
from instar.core.batch import Batch, Domain
from instar.core.board import info, labelled
from instar.core.config import DataConfig
from instar.core.files import own_folder, write_atomically
from instar.core.images import colour
from instar.core.method import Method
from instar.core.seed import seeded
from instar.core.sheet import PADDING, STYLES, row_label, sheet_rows

LAST = 128
"""Newest pictures, which are all kept."""
_NAME = re.compile(r"step-(\d{9,})\.png")


def sheet(method: Method[Any], samples: Batch, seed: int) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) of held-out images above their translations.

    One column for each sample; for each domain that can be translated, the images and below them, for each other
    domain that the method translates to, the translations (several, for a method with styles) and for pairs the truth.
    The method must be in eval mode.
    """
    rows = []
    for row in sheet_rows(type(samples), method.targets, _styles(method)):
        if row.what == "translation":
            rows.append(_translation(method, samples.images[row.source], row.domain, seed, row.style))
        else:
            rows.append(samples.images[row.domain])
    columns = min((len(row) for row in rows), default=0)
    if columns == 0:
        return np.zeros((1, 1, 3), np.uint8)
    tiles = torch.cat([colour(row[:columns].float().cpu()) for row in rows])
    picture = make_grid(tiles.clamp(-1, 1).add(1).div(2), nrow=columns, padding=PADDING, pad_value=1.0)
    bytes_: NDArray[np.uint8] = picture.mul(255).add(0.5).clamp(0, 255).permute(1, 2, 0).to(torch.uint8).numpy()
    return bytes_


def labels(method: Method[Any], samples: Batch, data: DataConfig) -> list[str]:
    """Return what the rows of `sheet` show, in the names of the domains."""
    names = {key: name or key.upper() for key, name in data.names(tuple(samples.parts)).items()}
    return [row_label(row, names) for row in sheet_rows(type(samples), method.targets, _styles(method))]


def _styles(method: Method[Any]) -> int:
    return STYLES if supports(method, Styled) else 1


def _translation(method: Method[Any], x: Tensor, to: Domain, seed: int, style: int) -> Tensor:
    with seeded(seed, style):
        return method.translate(x, to=to)


def save(picture: NDArray[np.uint8], folder: Path, step: int, every: int, rows: Sequence[str] = ()) -> Path:
    """Write a picture (H, W, 3) as step-N.png, remove older ones that need not be kept, and return its path.

    Args:
        picture: of this step.
        folder: of all pictures of the run.
        step: its number.
        every: steps between pictures.
        rows: what each row of it shows; written at its right.
    """
    own_folder(folder)
    path = folder / f"step-{step:09d}.png"
    content = BytesIO()
    image = labelled(Image.fromarray(picture), rows)
    image.save(content, "PNG", pnginfo=info(image))
    write_atomically(path, content.getvalue())
    for old in folder.glob("step-*.png"):
        named = _NAME.fullmatch(old.name)
        if named and not is_kept(int(named[1]), step, every):
            old.unlink(missing_ok=True)
    return path


def is_kept(step: int, last: int, every: int) -> bool:
    """Tell whether the picture of a step is kept once there is that of step `last`.

    The last `LAST` are, of as many before them every second, of twice as many before these every fourth, and so on: of
    n pictures LAST + LAST / 2 * log2(n / LAST). What an uninterrupted run keeps, an interrupted one keeps too.
    """
    age = (last - step) // every
    apart = every * 2 ** (age // LAST).bit_length()
    return age < LAST or step % apart == 0
