"""One picture of the first translations of `instar translate`: a row for each input, a column for each variant."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from instar.core.errors import UserError
from instar.core.images import UnreadableImage, read, save, viewable
from instar.inference.jobs import Job, Naming

GRID = "grid.png"
ROWS, TILE, CAPTION = 20, 128, 18
"""Most inputs that are shown; side of each picture and height of the line over a column, in px."""


def check(jobs: Sequence[Job]) -> None:
    """Refuse a grid that would take the place of a result."""
    if any(job.output == GRID for job in jobs):
        raise UserError(f"--grid: a result would be named {GRID} too; rename that input")


def write_grid(jobs: Sequence[Job], namings: Sequence[Naming], out: Path, references: Sequence[Path] = ()) -> bool:
    """Write the grid of the first inputs that have all their results, under the references. Without any, there is none.

    Args:
        jobs: all, an input's in one row.
        namings: of the variants.
        out: folder of the results.
        references: images whose styles the last variants take, one each.

    Returns:
        whether there is one.
    """
    rows: list[list[Image.Image]] = []
    for source, found in groupby((job for job in jobs if job.output), key=lambda job: job.source):
        try:
            rows.append([tile(path) for path in (Path(source), *(out / job.output for job in found))])
        except UnreadableImage:
            continue  # it failed, as the manifest says
        if len(rows) == ROWS:
            break
    if not rows:
        return False
    if references:
        blank = Image.new("RGB", (TILE, TILE), "white")
        rows = [[blank] * (1 + len(namings) - len(references)) + [tile(path) for path in references], *rows]
    board = Image.new("RGB", (TILE * (1 + len(namings)), CAPTION + TILE * len(rows)), "white")
    pen, font = ImageDraw.Draw(board), ImageFont.load_default(12)
    for i, title in enumerate(["input", *(naming.ending.strip("_") or "translation" for naming in namings)]):
        fits = next(n for n in range(len(title), 0, -1) if pen.textlength(title[:n], font) <= TILE - 6)
        pen.text((TILE * i + 3, 2), title[:fits], fill="black", font=font)
    for j, row in enumerate(rows):
        for i, shown in enumerate(row):
            board.paste(shown, (TILE * i, CAPTION + TILE * j))
    save(board, out / GRID)
    return True


def tile(path: Path) -> Image.Image:
    """Return an image, whole, on a white square."""
    return ImageOps.pad(viewable(read(path)).convert("RGB"), (TILE, TILE), color="white")
