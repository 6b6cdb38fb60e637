"""A comparison as Markdown and as one HTML page that opens from disk."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Any

from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import save_image

from instar.core.files import replacing, text_bytes, write_atomically
from instar.core.sheet import PADDING
from instar.evaluation.compare import Cell as Value
from instar.evaluation.compare import Comparison, Row, Weights
from instar.evaluation.report import BEST, COPY, REAL
from instar.evaluation.score import ARROWS
from instar.reports import data_uris
from instar.reports.intervals import Bar, Interval, Scale
from instar.reports.render import render

FACTS = ("seeds", "images seen", "minutes", "peak memory", "parameters")
"""Of a run, beside its scores."""
_BOLD = "Bold: better than all others and than a copy of the input, by intervals that do not overlap."
VERDICT = "verdict"
"""The scores in words."""
TITLE, LETTER, BETWEEN, MARGINS = 6.0, 0.52, 0.8, 4.0
"""Widths in the page, in rem: of a run's title at least, of a letter, between columns, beside the table."""


@dataclass(frozen=True)
class Cell:
    """Of the table."""

    text: str
    interval: str = ""
    best: bool = False
    """Of its column."""
    bar: Bar | None = None
    """Its interval, drawn on the scale of its column."""

    @property
    def markdown(self) -> str:
        """The cell in one line; the best of its column stands out."""
        whole = f"{self.text} ({self.interval})" if self.interval else self.text
        return f"**{whole}**" if self.best else whole


@dataclass(frozen=True)
class Table:
    """The comparison in words: a row for a copy of the input and for each choice of weights."""

    header: list[str]
    rows: list[list[Cell]]
    notes: list[str]


@dataclass(frozen=True)
class Fit:
    """Widths of the window, in rem, from which a table fits into it, by the lengths of its words."""

    whole: float
    """With each value in one line."""
    tight: float
    """With values broken into lines."""
    turned: float
    """With a column for each of its rows, and each value in one line."""

    @property
    def least(self) -> float:
        """Below it no table fits: each row becomes a list."""
        return min(self.tight, self.turned)

    @classmethod
    def of(cls, table: Table) -> Fit:
        """Measure a table."""
        columns = list(zip(*table.rows, strict=True))[1:]
        heads = [_width(_words(name)) for name in table.header]
        whole = [max(head, *map(_value, cells)) for head, cells in zip(heads[1:], columns, strict=True)]
        tight = [
            max(head, *(_width(_words(cell.markdown)) for cell in cells))
            for head, cells in zip(heads[1:], columns, strict=True)
        ]
        turned = [max(_width(_words(row[0].text)), *map(_value, row[1:])) for row in table.rows]
        return cls(
            round(TITLE + sum(whole) + MARGINS, 1),
            round(TITLE + sum(tight) + MARGINS, 1),
            round(max(heads) + sum(turned) + MARGINS, 1),
        )


def write(found: Comparison, pictures: Mapping[str, Tensor], folder: Path) -> None:
    """Write table.md, table.html, scores.json and strip-N.png into a folder, each whole or not at all.

    Args:
        found: the scores.
        pictures: the strips (3, H, W) in [0, 1], by title of the row.
        folder: made if it is not there; strips of an earlier table are removed.

    Raises:
        OSError: it cannot be written.
    """
    names = {title: f"strip-{i}.png" for i, title in enumerate(pictures)}
    folder.mkdir(parents=True, exist_ok=True)
    for title, picture in pictures.items():
        with replacing(folder / names[title]) as file:
            save_image(picture, file, format="png")
    for old in folder.glob("strip-*.png"):
        if old.name not in names.values():
            old.unlink()
    for name, text in (
        ("table.md", markdown(found, names)),
        ("table.html", html(found, pictures)),
        ("scores.json", f"{found.as_json()}\n"),
    ):
        write_atomically(folder / name, text_bytes(text))


def markdown(found: Comparison, pictures: Mapping[str, str]) -> str:
    """Return the table and the strips, whose files `pictures` names by title of the row."""
    return render("compare.md", found=found, table=table(found), pictures=pictures)


def html(found: Comparison, pictures: Mapping[str, Tensor]) -> str:
    """Return the page; `pictures` are the strips (3, H, W) in [0, 1], by title of the row."""
    strips = [_strip(title, picture) for title, picture in pictures.items()]
    shown = table(found)
    return render("compare.html", title=found.direction, found=found, table=shown, fit=Fit.of(shown), strips=strips)


def _strip(title: str, picture: Tensor) -> dict[str, Any]:
    """Return a strip for the page: two rows of squares, with white lines between them."""
    height, width = picture.shape[1:]
    side = (height - PADDING) // 2
    return {
        "name": title,
        "src": data_uris.png(to_pil_image(picture)),
        "sheet": {"width": width, "height": height, "columns": max(1, (width - PADDING) // side), "pad": PADDING},
    }


def summary(found: Comparison) -> str:
    """Return the table in Markdown, without the notes below it."""
    return markdown(found, {}).rsplit("\n\n", 1)[0]


def number(value: float) -> str:
    """Return a score with as many digits as its size deserves."""
    return f"{value:.{1 if abs(value) >= 20 else 2 if abs(value) >= 5 else 3}f}"


def table(found: Comparison) -> Table:
    """Return the comparison in words."""
    names = list(dict.fromkeys(name for row in found.rows for name in row.last.cells))
    worded = any(weights.verdict for row in found.rows for weights in (row.last, row.best) if weights)
    facts = [VERDICT, *FACTS] if worded else FACTS
    header = ["", *facts, *(f"{n} {ARROWS[found.better[n]]}".strip() for n in names)]
    scales = {name: _scale(found, name) for name in names}
    rows: list[list[Cell]] = []
    for title, cells in ((COPY, found.copy), (REAL, found.real)):
        if cells:
            rows.append(
                [Cell(title), *[Cell("")] * len(facts), *(_cell(cells.get(name), scales[name]) for name in names)]
            )
    last = {name: _winner(found, name, [row.last for row in found.rows]) for name in names}
    best = {name: _winner(found, name, [row.best for row in found.rows if row.best]) for name in names}
    for row in found.rows:
        memory = "" if row.memory is None else f"{row.memory / 1e9:.2f} GB"
        words = [row.last.verdict] if worded else []
        rows.append(_row([row.title, *words], row.last, [_seeds(row), memory, f"{row.parameters:,}"], last, scales))
        if row.best:
            words = [row.best.verdict] if worded else []
            rows.append(_row([f"{row.title}: {BEST}", *words], row.best, ["", "", ""], best, scales))
    bold = [_BOLD] if any(cell.best for row in rows for cell in row) else []
    return Table(header, rows, [*bold, *_legend(found), *found.notes])


def _row(
    first: list[str],
    weights: Weights,
    of_the_run: list[str],
    winners: Mapping[str, Weights | None],
    scales: Mapping[str, Scale],
) -> list[Cell]:
    low, high = min(weights.images), max(weights.images)
    images = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    minutes = "" if weights.minutes is None else f"{weights.minutes:.1f}"
    seeds, memory, parameters = of_the_run
    facts = [Cell(text) for text in (*first, seeds, images, minutes, memory, parameters)]
    return [
        *facts,
        *(_cell(weights.cells.get(name), scales[name], weights is winner) for name, winner in winners.items()),
    ]


def _winner(found: Comparison, name: str, there: list[Weights]) -> Weights | None:
    """Return the weights with the best value, if intervals tell it from that of all others and from a copy's."""
    sign = {"lower": 1, "higher": -1}.get(found.better[name])
    there = [weights for weights in there if name in weights.cells]
    if sign is None or len(there) < 2:
        return None
    best = min(there, key=lambda weights: sign * weights.cells[name].mean)
    others = [weights.cells[name] for weights in there if weights is not best]
    others += [found.copy[name]] if name in found.copy else []
    worst = max(sign * end for end in _interval(best.cells[name]))
    return best if all(worst < min(sign * end for end in _interval(other)) for other in others) else None


def _interval(value: Value) -> tuple[float, float]:
    """Return the ends of a value's interval: over the test images or, of several seeds, two standard deviations.

    A value without any could be anywhere: nothing is told from it.
    """
    if value.spread is not None:
        return value.mean - 2 * value.spread, value.mean + 2 * value.spread
    if value.low is None or value.high is None:
        return -inf, inf
    return value.low, value.high


def _scale(found: Comparison, name: str) -> Scale:
    """Return the scale of a score: over all rows, the copy and the real images."""
    there = [weights.cells for row in found.rows for weights in (row.last, row.best) if weights]
    return Scale.of(_drawn(cells.get(name)) for cells in (found.copy, found.real, *there))


def _drawn(value: Value | None) -> Interval | None:
    if value is None:
        return None
    low, high = _interval(value)
    return Interval(value.mean, low, high) if isfinite(low) and isfinite(high) else Interval(value.mean)


def _cell(value: Value | None, scale: Scale, best: bool = False) -> Cell:
    if value is None:
        return Cell("", best=best)
    bar = scale.bar(_drawn(value))
    if value.spread is not None:
        return Cell(f"{number(value.mean)} ± {number(value.spread)}", best=best, bar=bar)
    if value.low is None or value.high is None:
        return Cell(number(value.mean), best=best)
    return Cell(number(value.mean), f"{number(value.low)} to {number(value.high)}", best, bar)


def _value(cell: Cell) -> float:
    """Return the width in rem of a value in one line, its interval below it."""
    return _width([cell.text, cell.interval])


def _words(text: str) -> list[str]:
    """Return the parts of a text between which lines break: between words and behind hyphens."""
    return re.split(r"\s|(?<=-)", text)


def _width(lines: Sequence[str]) -> float:
    return LETTER * max(map(len, lines)) + BETWEEN


def _seeds(row: Row) -> str:
    return ", ".join(str(seed) for seed in sorted(row.seeds))


def _legend(found: Comparison) -> list[str]:
    notes = []
    if any(cell.low is not None for row in found.rows for cell in row.last.cells.values()):
        notes.append("Ranges are 95 % intervals over the choice of the test images.")
    if any(len(row.seeds) > 1 for row in found.rows):
        notes.append("±: standard deviation over seeds.")
    if any(row.best for row in found.rows):
        notes.append(f"{BEST}: the checkpoint that scored best on images that are neither trained on nor tested on.")
    if any(row.memory for row in found.rows):
        notes.append("Peak memory: of the training's process; on CUDA of the tensors on the GPU.")
    return notes
