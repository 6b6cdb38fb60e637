"""Which colour of a label map stands for which class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instar.core.errors import UserError, setting
from instar.metrics.segmentation import nearest_colour

Colour = tuple[int, int, int]

MOST = 256
"""Classes, since maps of them have 8 bits."""
_IGNORE = "ignore"
_ABOUT = 30
"""Sum of the differences of red, green and blue up to which two colours are about the same."""


@dataclass(frozen=True)
class Palette:
    """Colours of classes. A class may have several; pixels with an ignored colour are not scored."""

    colours: tuple[Colour, ...]
    """Red, green and blue, 0..255, all different."""
    numbers: tuple[int, ...]
    """The class of each colour. Ignored ones have the last number."""
    names: tuple[str, ...]
    """Of the classes that are scored, by number."""

    @property
    def ignored(self) -> int | None:
        """The number of the class that is not scored, if there is one: the one behind the others."""
        return len(self.names) if len(self.names) in self.numbers else None

    @property
    def count(self) -> int:
        """Numbers of classes, the ignored one's among them."""
        return max(self.numbers) + 1

    def classes(self, images: Tensor) -> Tensor:
        """Return the classes (N, H, W), int64, of images (N, 3, H, W) in [-1, 1]: those of the nearest colours."""
        nearest = nearest_colour(images, torch.tensor(self.colours))
        return torch.tensor(self.numbers)[nearest]

    def share(self, pixels: NDArray[np.uint8]) -> float:
        """Return the share of pixels (H, W, 3) that have about a colour of the palette, as JPEG keeps it, 0..1."""
        some = pixels[::3, ::3, None].astype(np.int32)
        return float((np.abs(some - np.array(self.colours)).sum(3).min(2) <= _ABOUT).mean())


def read_palette(path: Path) -> Palette:
    """Read a palette: a line ``name red green blue`` for each colour, parted by spaces, commas or semicolons.

    Numbers may stand before the name. A first line without numbers is a heading, ``#`` begins a comment, and a line
    that ends in ``ignore`` is of a colour that is not scored. Equal names are one class.

    Raises:
        UserError: the file cannot be read, a line is none of these, or there are fewer than two classes.
    """
    given = setting("palette", path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{given}: cannot be read ({error})") from error
    found: dict[Colour, str | None] = {}
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text or (number == 1 and not re.search(r"\d", text)):
            continue
        colour, name = _parsed(text, f"{given}, line {number}")
        if colour in found:
            raise UserError(f"{given}, line {number}: the colour {colour} is there twice")
        found[colour] = name
    names = tuple(dict.fromkeys(name for name in found.values() if name is not None))
    if not 2 <= len(names) < MOST:
        raise UserError(f"{given}: {len(names)} classes; give 2 to {MOST - 1}, a line 'name red green blue' each")
    numbers = tuple(len(names) if name is None else names.index(name) for name in found.values())
    return Palette(tuple(found), numbers, names)


def palette_in(images: Sequence[NDArray[np.uint8]]) -> Palette | None:
    """Return the palette of all colours in label maps (H, W, 3), sorted; None if they have too many, as photographs."""
    packed = np.unique(np.concatenate([np.unique(_packed(pixels)) for pixels in images]))
    if not 2 <= len(packed) < MOST:
        return None
    colours = tuple((int(c) >> 16, int(c) >> 8 & 255, int(c) & 255) for c in packed)
    return Palette(colours, tuple(range(len(colours))), tuple(" ".join(map(str, colour)) for colour in colours))


def _parsed(text: str, where: str) -> tuple[Colour, str | None]:
    """Return the colour and the class of a line; no class if it is ignored."""
    words = [word for word in re.split(r"[,;\s]+", text) if word]
    for i in range(len(words) - 2):
        if all(word.isdecimal() and int(word) < 256 for word in words[i : i + 3]):
            red, green, blue = (int(word) for word in words[i : i + 3])
            rest = words[:i] + words[i + 3 :]
            if rest and rest[-1].lower() == _IGNORE:
                return (red, green, blue), None
            if rest:
                return (red, green, blue), " ".join(rest)
    raise UserError(f"{where}: expected a name and a colour of 0 to 255, as in 'road 128 64 128', not {text!r}")


def _packed(pixels: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Map colours (..., 3) to one number each."""
    wide = pixels.astype(np.int32)
    packed: NDArray[np.int32] = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return packed
