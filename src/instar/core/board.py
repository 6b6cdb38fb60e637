"""One picture of many: rows of small pictures under titles."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps

from instar.core.images import viewable
from instar.core.raster import Picture

TILE, CAPTION = 128, 18
"""Side of each picture and height of the line over a column, in px."""


def tile(image: Picture) -> Image.Image:
    """Return an image, whole, on a white square."""
    return ImageOps.pad(viewable(image).convert("RGB"), (TILE, TILE), color="white")


def board(titles: Sequence[str], rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Return rows of tiles as one picture, a title over each column; a title that is too long is cut."""
    picture = Image.new("RGB", (TILE * len(titles), CAPTION + TILE * len(rows)), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(12)
    for i, title in enumerate(titles):
        fits = next((n for n in range(len(title), 0, -1) if pen.textlength(title[:n], font) <= TILE - 6), 0)
        pen.text((TILE * i + 3, 2), title[:fits], fill="black", font=font)
    for j, row in enumerate(rows):
        for i, shown in enumerate(row):
            picture.paste(shown, (TILE * i, CAPTION + TILE * j))
    return picture
