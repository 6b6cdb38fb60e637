"""One picture of the first translations of files: a row for each input, a column for each variant."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from instar.core.errors import UserError, setting
from instar.core.images import save, viewable
from instar.core.member import File
from instar.core.reading import UnreadableImage, read
from instar.inference.jobs import Job, Naming

GRID = "grid.png"
ROWS, TILE, CAPTION = 20, 128, 18
"""Most inputs that are shown; side of each picture and height of the line over a column, in px."""


def check(jobs: Sequence[Job]) -> None:
    """Refuse a grid that would take the place of a result."""
    if any(job.output == GRID for job in jobs):
        raise UserError(f"{setting('grid')}: a result would be named {GRID} too; rename that input")


def write_grid(
    jobs: Sequence[Job], namings: Sequence[Naming], references: Sequence[Path | None], out: Path
) -> Path | None:
    """Write the grid of the first inputs that have all their results, under the references.

    Args:
        jobs: all, an input's in one row.
        namings: of the variants.
        references: for each variant the image whose style it takes, if it is one's.
        out: folder of the results.

    Returns:
        its file; None if no input has all its results.
    """
    rows = _rows(jobs, out)
    if not rows:
        return None
    if any(references):
        blank = Image.new("RGB", (TILE, TILE), "white")
        rows = [[blank, *(tile(path) if path else blank for path in references)], *rows]
    titles = ["input", *(naming.ending.strip("_") or "translation" for naming in namings)]
    save(_board(titles, rows), out / GRID)
    return out / GRID


def _rows(jobs: Sequence[Job], out: Path) -> list[list[Image.Image]]:
    rows: list[list[Image.Image]] = []
    for file, found in groupby((job for job in jobs if job.output), key=lambda job: job.file):
        try:
            rows.append([tile(path) for path in (file, *(out / job.output for job in found))])
        except UnreadableImage:
            continue  # it failed, as the manifest says
        if len(rows) == ROWS:
            break
    return rows


def _board(titles: Sequence[str], rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    board = Image.new("RGB", (TILE * len(titles), CAPTION + TILE * len(rows)), "white")
    pen, font = ImageDraw.Draw(board), ImageFont.load_default(12)
    for i, title in enumerate(titles):
        fits = next(n for n in range(len(title), 0, -1) if pen.textlength(title[:n], font) <= TILE - 6)
        pen.text((TILE * i + 3, 2), title[:fits], fill="black", font=font)
    for j, row in enumerate(rows):
        for i, shown in enumerate(row):
            board.paste(shown, (TILE * i, CAPTION + TILE * j))
    return board


def tile(path: File) -> Image.Image:
    """Return an image, whole, on a white square."""
    return ImageOps.pad(viewable(read(path)).convert("RGB"), (TILE, TILE), color="white")
