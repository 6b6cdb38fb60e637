"""Landmarks for `instar translate`: moved as a flag says, drawn over pictures, written as a table."""

from __future__ import annotations

import colorsys
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from instar.core.errors import UserError
from instar.core.images import save

if TYPE_CHECKING:
    from torch import Tensor

    from instar.cli.translate import Translate
    from instar.core.batch import Domain
    from instar.inference.translator import Translator

Points = NDArray[np.float32]
"""(K, 2), from the left and from the upper border in pixels."""

COLUMNS = ("file", "image", "number", "x", "y")
"""Of the table; `image` is input or output."""
LEGIBLE = 256
"""Short side to which smaller pictures are enlarged before numbers are drawn on them."""


class Edit(NamedTuple):
    """Drawing from landmarks that are known, and may be moved."""

    model: Translator
    to: Domain
    source: Domain
    by: Points
    """To the right and down in half sides, (K, 2)."""
    size: int | None

    @classmethod
    def of(cls, args: Translate, model: Translator, domain: Domain) -> Edit:
        """Return what --from, --move and --size say."""
        other: Domain = "a" if domain == "b" else "b"
        source = model.domain(args.source, "--from") if args.source else other
        count = len(model.landmarks(Image.new("RGB", (32, 32))))
        return cls(model, domain, source, moves(args.move, count), args.size)

    def images(self, batch: list[Image.Image], *, style: Tensor | None = None) -> list[Image.Image]:
        """Draw images of one size."""
        return self.draw(batch, self.by, style)[0]

    def draw(self, batch: list[Image.Image], by: Points, style: Tensor | None) -> tuple[list[Image.Image], Points]:
        """Draw images of one size with landmarks moved by (K, 2) or (N, K, 2), and return their landmarks too."""
        return self.model.moved(batch, self.to, by, source=self.source, short_side=self.size, style=style)

    def find(self, image: Image.Image) -> Points:
        """Return the landmarks of an image of the inputs' domain."""
        return self.model.landmarks(image, self.model.domains[self.source], short_side=self.size)


class Marked(NamedTuple):
    """An input and its translation, each with its landmarks."""

    picture: Image.Image
    input: Points
    output: Points

    def save(self, path: Path) -> None:
        """Write the picture."""
        save(self.picture, path)

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
    """Return an RGB image, enlarged if it is small, with a dot and a number at each point."""
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


def moves(texts: Sequence[str], count: int) -> Points:
    """Return by how much each of `count` landmarks is to move, (count, 2) to the right and down in half sides.

    Args:
        texts: such as 7:+0.1,-0.05.
        count: the model's landmarks.

    Raises:
        UserError: a text says nothing, or a landmark is not there or named twice.
    """
    by = np.zeros((count, 2), np.float32)
    seen = set()
    for text in texts:
        found = re.fullmatch(r"(\d+):([^,]+),([^,]+)", text)
        try:
            number, right, down = int(found[1]), float(found[2]), float(found[3])  # type: ignore[index]
        except (TypeError, ValueError):
            number, right, down = 0, math.nan, math.nan
        if not math.isfinite(right + down):
            raise UserError(f"--move {text}: give NUMBER:RIGHT,DOWN in half sides of the image, such as 7:+0.1,-0.05")
        if number >= count:
            raise UserError(f"--move {text}: this model has landmarks 0 to {count - 1}")
        if number in seen:
            raise UserError(f"--move {text}: landmark {number} is moved twice; give one move for each")
        seen.add(number)
        by[number] = right, down
    return by
