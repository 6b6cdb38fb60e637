"""A comparison as Markdown and as one HTML page that opens from disk."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path

from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import save_image

from instar.core.errors import UserError
from instar.core.files import write_atomically
from instar.evaluation.compare import Cell, Comparison, Row, Weights
from instar.evaluation.runs import BEST
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

_FACTS = ("seeds", "images seen", "minutes", "peak memory", "parameters")


def write(found: Comparison, pictures: dict[str, Tensor], folder: Path) -> str:
    """Write table.md, table.html, scores.json and strip-N.png into `folder`, and return the table alone.

    Args:
        found: the scores.
        pictures: the strips (3, H, W) in [0, 1], by title of the row.
        folder: made if it is not there; strips of an earlier table are removed.

    Raises:
        UserError: it cannot be written.
    """
    names = {title: f"strip-{i}.png" for i, title in enumerate(pictures)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("strip-*.png"):
            old.unlink()
        for title, picture in pictures.items():
            save_image(picture, folder / names[title])
        for name, text in (
            ("table.md", markdown(found, names)),
            ("table.html", html(found, pictures)),
            ("scores.json", f"{found.as_json()}\n"),
        ):
            write_atomically(folder / name, text.encode())
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror})") from error
    return markdown(found, {}).rsplit("\n\n", 1)[0]


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
    names = list(dict.fromkeys(name for row in found.rows for name in row.last.cells))
    header = ["", *_FACTS, *(f"{n} {ARROWS[found.better[n]]}".strip() for n in names)]
    rows: list[list[tuple[str, bool]]] = []
    if found.copy:
        plain = [("copy of the input", False), *[("", False)] * len(_FACTS)]
        rows.append(plain + [(_text(found.copy.get(name)), False) for name in names])
    last = {name: _winner(found, name, [row.last for row in found.rows]) for name in names}
    best = {name: _winner(found, name, [row.best for row in found.rows if row.best]) for name in names}
    for row in found.rows:
        memory = "" if row.memory is None else f"{row.memory / 1e9:.2f} GB"
        rows.append(_line_of(row.title, row.last, [_seeds(row), memory, f"{row.parameters:,}"], last))
        if row.best:
            rows.append(_line_of(f"{row.title}: {BEST}", row.best, ["", "", ""], best))
    return header, rows


def _line_of(
    title: str, weights: Weights, of_the_run: list[str], winners: dict[str, Weights | None]
) -> list[tuple[str, bool]]:
    """Return the cells of a line, and whether each is the best of its column."""
    low, high = min(weights.images), max(weights.images)
    images = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    minutes = "" if weights.minutes is None else f"{weights.minutes:.1f}"
    seeds, memory, parameters = of_the_run
    facts = [title, seeds, images, minutes, memory, parameters]
    cells = [(_text(weights.cells.get(name)), weights is winner) for name, winner in winners.items()]
    return [(fact, False) for fact in facts] + cells


def _winner(found: Comparison, name: str, there: list[Weights]) -> Weights | None:
    """Return the weights with the best value, if more than one row competes."""
    sign = {"lower": 1, "higher": -1}.get(found.better[name])
    there = [weights for weights in there if name in weights.cells]
    if sign is None or len(there) < 2:
        return None
    return min(there, key=lambda weights: sign * weights.cells[name].mean)


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
    if any(cell.low is not None for row in found.rows for cell in row.last.cells.values()):
        notes.append("Ranges are 95 % intervals over the choice of the test images.")
    if any(len(row.seeds) > 1 for row in found.rows):
        notes.append("±: standard deviation over seeds.")
    if any(row.best for row in found.rows):
        notes.append(f"{BEST}: the checkpoint that scored best on images that are neither trained on nor tested on.")
    if any(row.memory for row in found.rows):
        notes.append("Peak memory: of the training's process; on CUDA of the tensors on the GPU.")
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
