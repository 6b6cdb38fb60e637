"""What the rows of a sample picture show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from instar.core.batch import Batch, Domain
from instar.core.evenly import evenly

PADDING = 2
"""White pixels around each image of a sample picture."""
STYLES = 3
"""Translations shown of each image by a method with styles, the same styles at all times."""
FEW, MOST = 3, 6
"""Domains up to which all styles are shown, and that are shown at most: rows grow with the square of their number."""


@dataclass(frozen=True)
class SheetRow:
    """A row of images of one kind.

    Attributes:
        what: it shows.
        domain: that its images are of, or are translated into.
        source: that of the images it is made of.
        style: number of the style.
    """

    what: Literal["input", "translation", "truth"]
    domain: Domain
    source: Domain
    style: int = 0


def sheet_rows(kind: type[Batch], targets: Sequence[Domain], styles: int) -> list[SheetRow]:
    """Return the rows from above: for each domain its images, and below them what is made of them.

    Of more than `FEW` domains one style is shown, and of more than `MOST` so many of them, spread evenly over all.

    Args:
        kind: of the samples.
        targets: domains that the method translates into.
        styles: translations of each image.
    """
    rows = []
    shown = evenly(list(kind.parts), MOST)
    styles = styles if len(kind.parts) <= FEW else 1
    for source in shown:
        others = [to for to in shown if to in targets and to != source]
        rows += [SheetRow("input", source, source)] if others else []
        for to in others:
            rows += [SheetRow("translation", to, source, number) for number in range(styles)]
            rows += [SheetRow("truth", to, source)] if kind.paired(source, to) else []
    return rows


def row_label(row: SheetRow, names: Mapping[Domain, str]) -> str:
    """Return what a row shows in words; `names` are those of the domains."""
    if row.what == "input":
        return names[row.domain]
    made = f"to {names[row.domain]}" if row.what == "translation" else f"true {names[row.domain]}"
    return f"{made}, style {row.style + 1}" if row.style else made
