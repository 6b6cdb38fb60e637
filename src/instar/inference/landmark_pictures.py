"""Landmarks to look at: drawn over pictures, and as rows of a table."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from instar.core.images import save

if TYPE_CHECKING:
    from instar.inference.landmarks import Points

COLUMNS = ("file", "image", "number", "x", "y")
"""Of the table; `image` is input or output."""
LEGIBLE = 256
"""Short side to which smaller pictures are enlarged before numbers are drawn on them."""


@dataclass(frozen=True)
class Marked:
    """An input and its translation side by side, each with its landmarks (K, 2)."""

    picture: Image.Image
    input: Points
    output: Points

    def save(self, path: Path) -> tuple[str, ...]:
        """Write the picture."""
        save(self.picture, path)
        return ()

    def rows(self, file: str) -> Iterator[tuple[str | int, ...]]:
        """Yield the rows of the table for an input file."""
        for image, points in (("input", self.input), ("output", self.output)):
            for number, (x, y) in enumerate(points.tolist()):
                yield file, image, number, f"{x:.2f}", f"{y:.2f}"


def marked(before: Image.Image, after: Image.Image, found: Points, drawn: Points) -> Marked:
    """Lay landmarks over an RGB image and over its translation, and put them side by side."""
    left, right = numbered(before, found), numbered(after, drawn)
    both = Image.new("RGB", (left.width + right.width, left.height))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return Marked(both, found, drawn)


def numbered(image: Image.Image, points: Points) -> Image.Image:
    """Return an RGB image, enlarged if it is small, with a dot and a number at each point (K, 2)."""
    scale = max(1, math.ceil(LEGIBLE / min(image.size)))
    shown = image.resize((image.width * scale, image.height * scale), Image.Resampling.BICUBIC)
    pen, radius = ImageDraw.Draw(shown), max(2, min(shown.size) // 80)
    font = ImageFont.load_default(4 * radius)
    for number, (x, y) in enumerate((points * scale - 0.5).tolist()):
        r, g, b = (round(255 * part) for part in colorsys.hsv_to_rgb(number / len(points), 0.9, 1.0))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(r, g, b), outline="black")
        place = (x + 1.5 * radius, y)
        pen.text(place, str(number), fill="white", font=font, anchor="lm", stroke_width=1, stroke_fill="black")
    return shown
