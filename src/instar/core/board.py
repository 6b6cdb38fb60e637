"""One picture of many: rows of small pictures under titles."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.PngImagePlugin import PngInfo

from instar.core.images import viewable
from instar.core.raster import Picture

TILE, CAPTION = 128, 18
"""Side of each picture and height of the line over a column, in px."""
WIDEST, MARGIN, SIZE = 160, 6, 12
"""Most px of a label beside a row, px around it, and px of its letters."""
_BAND = "Instar labels"
"""In a PNG: how many px at its right are labels."""


def tile(image: Picture) -> Image.Image:
    """Return an image, whole, on a white square."""
    return ImageOps.pad(viewable(image).convert("RGB"), (TILE, TILE), color="white")


def board(titles: Sequence[str], rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Return rows of tiles as one picture, a title over each column; a title that is too long is cut."""
    picture = Image.new("RGB", (TILE * len(titles), CAPTION + TILE * len(rows)), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(SIZE)
    for i, title in enumerate(titles):
        pen.text((TILE * i + 3, 2), _cut(title, TILE - 6), fill="black", font=font)
    for j, row in enumerate(rows):
        for i, shown in enumerate(row):
            picture.paste(shown, (TILE * i, CAPTION + TILE * j))
    return picture


def labelled(picture: Image.Image, labels: Sequence[str]) -> Image.Image:
    """Return a picture of rows of one height with a label at the right of each; the rest stays where it is.

    A PNG that is saved with `info(picture)` tells how wide the labels are: see `band`.
    """
    font = ImageFont.load_default(SIZE)
    words = [_cut(label, WIDEST) for label in labels]
    wide = round(max((font.getlength(word) for word in words), default=0)) + 2 * MARGIN if words else 0
    whole = Image.new("RGB", (picture.width + wide, picture.height), "white")
    whole.paste(picture)
    pen = ImageDraw.Draw(whole)
    for i, word in enumerate(words):
        middle = picture.height * (i + 0.5) / len(words)
        pen.text((picture.width + MARGIN, middle), word, fill="black", font=font, anchor="lm")
    whole.info[_BAND] = str(wide)
    return whole


def info(picture: Image.Image) -> PngInfo:
    """Return what a PNG of a picture of `labelled` should say of itself."""
    said = PngInfo()
    said.add_text(_BAND, picture.info[_BAND])
    return said


def band(image: Image.Image) -> int:
    """Return the width of the labels at the right of a picture; 0 if it has none."""
    said = str(image.info.get(_BAND, ""))
    return min(int(said), image.width) if said.isascii() and said.isdecimal() and len(said) < 6 else 0


def _cut(text: str, most: int) -> str:
    """Return as much of a line as fits into some px."""
    font = ImageFont.load_default(SIZE)
    return text[: next((n for n in range(len(text), 0, -1) if font.getlength(text[:n]) <= most), 0)]
