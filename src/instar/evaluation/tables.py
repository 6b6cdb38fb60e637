"""A comparison as Markdown and as one HTML page that opens from disk."""

from __future__ import annotations

import base64
import io
from html import escape

from torch import Tensor
from torchvision.transforms.functional import to_pil_image

from instar.evaluation.compare import Cell, Comparison, Row
from instar.evaluation.scores import ARROWS

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: .3rem .5rem; text-align: right }
th { border-bottom: 2px solid #222; vertical-align: bottom } td { border-bottom: 1px solid #ddd }
td { white-space: nowrap } small { font-weight: 400; color: #666 } div { overflow-x: auto }
td:first-child, th:first-child { text-align: left } .best { font-weight: 600 }
img { image-rendering: pixelated; max-width: 100% }
"""


def markdown(found: Comparison, pictures: dict[str, str]) -> str:
    """Return the table; `pictures` are the files of the strips, by title of the row."""
    header, rows = _table(found)
    lines = [f"{found.direction}. {found.protocol}.", "", _line(header), _line(["---"] * len(header))]
    lines += [_line([f"**{text}**" if best else text for text, best in row]) for row in rows]
    lines += ["", *(f"- {note}" for note in [*_legend(found), *found.notes])]
    for row in found.rows:
        if row.title in pictures:
            lines += [
                "",
                f"{row.title}: inputs above, translations below.",
                "",
                f"![{row.title}]({pictures[row.title]})",
            ]
    return "\n".join(lines) + "\n"


def html(found: Comparison, pictures: dict[str, Tensor]) -> str:
    """Return the page; `pictures` are the strips (3, H, W) in [0, 1], by title of the row."""
    header, rows = _table(found)
    body = [f"<h1>{escape(found.direction)}</h1><p>{escape(found.protocol)}.</p><div><table><tr>"]
    body += [f"<th>{escape(name)}</th>" for name in header]
    for row in rows:
        cells = "".join(f"<td{' class=best' * best}>{_in_two_lines(text)}</td>" for text, best in row)
        body.append(f"</tr><tr>{cells}")
    body.append("</tr></table></div><ul>")
    body += [f"<li>{escape(note)}</li>" for note in [*_legend(found), *found.notes]]
    body.append("</ul>")
    for title, picture in pictures.items():
        body.append(f"<h2>{escape(title)}</h2><img alt='inputs above, translations below' src='{_inline(picture)}'>")
    head = f"<meta charset=utf-8><title>{escape(found.direction)}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(body)}</body></html>\n"


def number(value: float) -> str:
    """Return a score with as many digits as its size deserves."""
    return f"{value:.{1 if abs(value) >= 20 else 2 if abs(value) >= 5 else 3}f}"


def _table(found: Comparison) -> tuple[list[str], list[list[tuple[str, bool]]]]:
    names = list(dict.fromkeys(name for row in found.rows for name in row.cells))
    header = [
        "",
        "seeds",
        "images seen",
        "minutes",
        "parameters",
        *(f"{n} {ARROWS[found.better[n]]}".strip() for n in names),
    ]
    best = {name: _best(found, name) for name in names}
    rows: list[list[tuple[str, bool]]] = []
    if found.copy:
        plain = [("copy of the input", False), *[("", False)] * 4]
        rows.append(plain + [(_text(found.copy.get(name)), False) for name in names])
    for row in found.rows:
        minutes = "" if row.minutes is None else f"{row.minutes:.1f}"
        facts = [row.title, _seeds(row), f"{row.images:,}", minutes, f"{row.parameters:,}"]
        cells = [(_text(row.cells.get(name)), row is best[name]) for name in names]
        rows.append([(fact, False) for fact in facts] + cells)
    return header, rows


def _best(found: Comparison, name: str) -> Row | None:
    """Return the row with the best value, if more than one row competes."""
    sign = {"lower": 1, "higher": -1}.get(found.better[name])
    there = [row for row in found.rows if name in row.cells]
    if sign is None or len(there) < 2:
        return None
    return min(there, key=lambda row: sign * row.cells[name].mean)


def _text(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if cell.spread is not None:
        return f"{number(cell.mean)} ± {number(cell.spread)}"
    if cell.low is None or cell.high is None:
        return number(cell.mean)
    return f"{number(cell.mean)} ({number(cell.low)} to {number(cell.high)})"


def _seeds(row: Row) -> str:
    return ", ".join(str(seed) for seed in sorted(row.seeds))


def _legend(found: Comparison) -> list[str]:
    notes = []
    if any(cell.low is not None for row in found.rows for cell in row.cells.values()):
        notes.append("Ranges are 95 % intervals over the choice of the test images.")
    if any(len(row.seeds) > 1 for row in found.rows):
        notes.append("±: standard deviation over seeds.")
    return notes


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _in_two_lines(text: str) -> str:
    """Return a score for HTML with its interval below it: side by side they make a table too wide to read."""
    value, _, interval = text.partition(" (")
    return f"{escape(value)}<br><small>{escape(interval.rstrip(')'))}</small>" if interval else escape(text)


def _inline(picture: Tensor) -> str:
    file = io.BytesIO()
    to_pil_image(picture).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
