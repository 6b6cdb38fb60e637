"""The page about a model: one file with its pictures, which opens from disk, asks no network, has no script."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image

from instar.core import images
from instar.core.evenly import evenly
from instar.core.formats import DomainFormat
from instar.core.run import CHECKPOINTS
from instar.data import ImageRef
from instar.data.labels import numbers, square
from instar.evaluation import inspect_map
from instar.evaluation.inspect import COLUMNS, Grid, Inspection, Seen
from instar.evaluation.inspect_history import Window, bins
from instar.metrics.clusters import agreement, contingency
from instar.reports import data_uris
from instar.reports.render import render

MOST_TYPICAL, LEAST_TYPICAL = 12, 6
ON_MAP = 1000
"""Most images on the map."""
TILE, CELL = 66, 128
"""Sides of pictures in the page: of single images, and of translations at most."""
BINS = 120
WIDTH, HEIGHT = 800, 200
"""Of the chart of the history."""
PALETTE = ("#3b7dd8", "#e07b00", "#2e9e4f", "#d23f3f", "#8d63c9", "#a0693e", "#d767a8", "#7d8790", "#9a9a00", "#0a9fb5")


@dataclass(frozen=True)
class Table:
    """Numbers in words."""

    kind: str
    header: list[str]
    rows: list[list[str]]


def page(found: Inspection) -> str:
    """Return the page as HTML."""
    name = _name(Path(found.run).absolute())
    return render(
        "inspect.html",
        title=f"{name}: styles and domains" if found.seen.sizes else f"{name}: styles",
        name=name,
        found=found,
        counted=_counted(found),
        domains=[_domain(found, domain, size) for domain, size in enumerate(found.seen.sizes)],
        map=_map(found),
        history=_history(found.history),
        agreement=list(_agreement(found.seen)),
        grids=[_grid(grid, found.form) for grid in found.grids],
        cut=COLUMNS if len(found.reachable) > COLUMNS else 0,
    )


def colour(i: int) -> str:
    """Return the colour of domain or class i, which can be told from the others on white and on black."""
    return PALETTE[i] if i < len(PALETTE) else f"hsl({i * 137.5 % 360:.0f} 60% 50%)"


def _name(run: Path) -> str:
    """Return the name of a run's folder, without where it lies on this machine."""
    return run.parent.parent.name if run.parent.name == CHECKPOINTS else run.name


def _counted(found: Inspection) -> str:
    n, of = len(found.seen.refs), found.available
    drawn = f"{n:,} images" if n == of else f"{n:,} of {of:,} images, drawn evenly"
    return f"{drawn}, each as its centre square at {found.size} px, the size of the training."


def _domain(found: Inspection, domain: int, size: int) -> dict[str, Any]:
    """Return the size of a domain, its classes, its most and its least typical images."""
    seen = found.seen
    places = seen.typical(domain) if size else []
    made_of = Counter(seen.refs[i].label or "no class" for i in places).most_common() if seen.classes else []
    last = places[MOST_TYPICAL:][-LEAST_TYPICAL:][::-1]
    chosen = {"most typical": places[:MOST_TYPICAL], "least typical": last}
    share = f"{size:,} image{'s' * (size != 1)}, {100 * size / len(seen.refs):.0f} %"
    return {
        "colour": colour(domain),
        "heading": f"Domain {domain}: {share}",
        "classes": ", ".join(f"{100 * n / size:.0f} % {name}" for name, n in made_of),
        "groups": [(kind, [_tile(found, i, domain) for i in some]) for kind, some in chosen.items() if some],
    }


def _tile(found: Inspection, place: int, domain: int) -> dict[str, Any]:
    return {
        "source": _thumbnail(found.seen.refs[place], found.form, TILE),
        "about": _about(found.seen, place),
        "probability": float(found.seen.probabilities[place, domain]),
    }


def _map(found: Inspection) -> dict[str, Any]:
    """Return the map of styles, which can be coloured by class where there are classes."""
    seen = found.seen
    shown = evenly(range(len(seen.refs)), ON_MAP)
    named = {"domain": [f"domain {i}" for i in range(len(seen.sizes))], "class": seen.classes}
    side = min(56, max(26, round(math.sqrt(3e5 / len(shown)))))
    enough = len(shown) >= inspect_map.LEAST
    return {
        "shown": len(shown),
        "needed": inspect_map.LEAST,
        "legends": {kind: _legend(names) for kind, names in named.items() if names},
        "side": side,
        "pictures": list(_on_map(found, shown, side)) if enough else [],
    }


def _on_map(found: Inspection, shown: Sequence[int], side: int) -> Iterator[dict[str, Any]]:
    seen = found.seen
    for place, (x, y) in zip(shown, inspect_map.places(seen.styles[shown]), strict=True):
        label = seen.refs[place].label
        by_class = colour(seen.classes.index(label)) if label in seen.classes else "var(--line)"
        yield {
            "x": x,
            "y": y,
            "domain": colour(int(seen.domains[place])) if seen.sizes else by_class,
            "class": by_class,
            "source": _thumbnail(seen.refs[place], found.form, side),
            "about": _about(seen, place),
        }


def _history(windows: Sequence[Window]) -> dict[str, Any]:
    """Return a chart of the shares of the domains over training; nothing where they were not counted."""
    if not windows:
        return {}
    parts = bins(windows, BINS)
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "names": _legend([f"domain {i}" for i in range(len(parts[0].sizes))]),
        "boxes": list(_boxes(parts)),
        "first": parts[0].start,
        "last": parts[-1].end,
    }


def _boxes(parts: Sequence[Window]) -> Iterator[dict[str, Any]]:
    last = parts[-1].end
    for part in parts:
        left, right, below, total = WIDTH * part.start / last, WIDTH * part.end / last, 0, sum(part.sizes)
        for i, size in enumerate(part.sizes):
            below += size
            if size:
                place = {"x": left, "y": HEIGHT * (1 - below / total)}
                yield {**place, "width": right - left + 0.2, "height": HEIGHT * size / total, "colour": colour(i)}


def _agreement(seen: Seen) -> Iterator[Table]:
    """Yield how well the domains agree with the classes, where there are both."""
    if not seen.sizes or not seen.classes:
        return
    classes = numbers([ref.label for ref in seen.refs], seen.classes)
    held = torch.tensor(seen.held)
    parts = {"all images": classes >= 0}
    if held.any() and not held.all():
        parts |= {"images of training": (classes >= 0) & ~held, "test images": (classes >= 0) & held}
    rows = []
    for name, mask in parts.items():
        if mask.any():
            scores = agreement(seen.domains[mask], classes[mask])
            rows.append([name, f"{int(mask.sum()):,}", *(f"{score:.3f}" for score in scores)])
    yield Table("scores", ["", "images", "accuracy", "purity", "NMI", "ARI"], rows)
    known = classes >= 0
    counts = contingency(seen.domains[known], classes[known])
    lines = [[f"domain {i}", *(f"{n:,}" for n in row)] for i, row in enumerate(counts.tolist())]
    yield Table("contingency", ["", *seen.classes], lines)


def _grid(grid: Grid, form: DomainFormat) -> dict[str, Any]:
    """Return the same inputs in each style."""
    references = [{"source": _thumbnail(ref, form, TILE), "name": ref.name} for ref in grid.references] or [
        {"source": "", "name": ""}
    ] * len(grid.headings)
    rows = [[x, *(column[i] for column in grid.columns)] for i, x in enumerate(grid.inputs)]
    return {
        "title": grid.title,
        "heads": [{**ref, "text": text} for ref, text in zip(references, grid.headings, strict=True)],
        "rows": [[data_uris.jpeg(_picture(cell), CELL) for cell in row] for row in rows],
    }


def _legend(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the colour of each name."""
    return [(colour(i), name) for i, name in enumerate(names)]


def _about(seen: Seen, place: int) -> str:
    """Return what is known of an image: its name, its class, its domain."""
    ref, parts = seen.refs[place], [seen.refs[place].name]
    parts += [f"class {ref.label}"] if ref.label and seen.classes else []
    if seen.sizes:
        domain = int(seen.domains[place])
        parts.append(f"domain {domain} ({float(seen.probabilities[place, domain]):.2f})")
    return ", ".join(parts)


def _thumbnail(ref: ImageRef, form: DomainFormat, side: int) -> str:
    return data_uris.jpeg(_picture(square(ref, form, side)), side)


def _picture(x: Tensor) -> Image.Image:
    shown = x if x.shape[0] in (1, 3) else images.colour(x[None])[0]
    image: Image.Image = to_pil_image(shown.clamp(-1, 1).add(1).div(2))
    return image
