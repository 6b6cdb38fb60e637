"""One picture of the first translations of files: a row for each input, a column for each variant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from PIL import Image

from instar.core.board import TILE, board, tile
from instar.core.config import Pages
from instar.core.errors import UserError, setting
from instar.core.formats import DomainFormat
from instar.core.images import save, viewable
from instar.core.member import File
from instar.core.raster import NotRead, Picture
from instar.core.reading import UnreadableImage, page_count, read
from instar.core.windows import LARGE_FILE, open_windows, smaller
from instar.inference.jobs import Job, Naming

GRID = "grid.png"
ROWS = 20
"""Most inputs that are shown."""


def check(jobs: Sequence[Job]) -> None:
    """Refuse a grid that would take the place of a result."""
    if any(job.output == GRID for job in jobs):
        raise UserError(f"{setting('grid')}: a result would be named {GRID} too; rename that input")


def write_grid(
    jobs: Sequence[Job],
    namings: Sequence[Naming],
    references: Sequence[Path | None],
    out: Path,
    forms: tuple[DomainFormat, DomainFormat],
    pages: Pages = "first",
) -> Path | None:
    """Write the grid of the first inputs, or of their pages, that have all their results, under the references.

    Args:
        jobs: all, an input's in one row.
        namings: of the variants.
        references: for each variant the image whose style it takes, if it is one's.
        out: folder of the results.
        forms: of the inputs and of the results.
        pages: of the inputs that were translated; of all pages each has its row.

    Returns:
        its file; None if no input has all its results.
    """
    rows = _rows(jobs, out, forms, pages)
    if not rows:
        return None
    if any(references):
        blank = Image.new("RGB", (TILE, TILE), "white")
        rows = [[blank, *(tile(viewable(read(path), forms[1])) if path else blank for path in references)], *rows]
    titles = ["input", *(naming.ending.strip("_") or "translation" for naming in namings)]
    save(board(titles, rows), out / GRID)
    return out / GRID


def _rows(
    jobs: Sequence[Job], out: Path, forms: tuple[DomainFormat, DomainFormat], pages: Pages
) -> list[list[Image.Image]]:
    rows: list[list[Image.Image]] = []
    for file, group in groupby((job for job in jobs if job.output), key=lambda job: job.file):
        found = list(group)
        try:
            for given, made in _numbers(file, pages):
                results = [tile(viewable(_seen(out / job.output, made), forms[1])) for job in found]
                rows.append([tile(viewable(_seen(file, given), forms[0])), *results])
                if len(rows) == ROWS:
                    return rows
        except (UnreadableImage, NotRead):
            continue  # it failed, as the manifest says
    return rows


def _numbers(file: File, pages: Pages) -> Iterator[tuple[int, int]]:
    """Yield the numbers of pages of an input, from 0, each with that of its result."""
    if pages == "all":
        yield from ((number, number) for number in range(page_count(file)))
    else:
        yield pages - 1 if isinstance(pages, int) else 0, 0


def _seen(file: File, page: int) -> Picture:
    """Read a page, of a large file one that is made smaller without reading all of it."""
    large = isinstance(file, Path) and file.is_file() and file.stat().st_size > LARGE_FILE
    windows = open_windows(file, page) if large else None
    if windows is None:
        return read(file, page)
    with windows:
        return smaller(windows, 2 * TILE)
