"""The page of `instar inspect`: one file with its pictures, which opens from disk, asks no network, has no script."""

from __future__ import annotations

import base64
import io
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image

from instar.core.evenly import evenly
from instar.data import ImageRef
from instar.data.labels import numbers, square
from instar.evaluation import inspect_map
from instar.evaluation.inspect import COLUMNS, Grid, Inspection, Seen
from instar.evaluation.inspect_history import Window, bins
from instar.metrics.clusters import agreement, contingency

MOST_TYPICAL, LEAST_TYPICAL = 12, 6
ON_MAP = 1000
"""Most images on the map."""
TILE, CELL = 66, 128
"""Sides of pictures in the page: of single images, and of translations at most."""
BINS = 120
PALETTE = ("#3b7dd8", "#e07b00", "#2e9e4f", "#d23f3f", "#8d63c9", "#a0693e", "#d767a8", "#7d8790", "#9a9a00", "#0a9fb5")
_PAGE = Path(__file__).with_name("inspect.html")


def page(found: Inspection) -> str:
    """Return the page as HTML."""
    parts = [
        f"<h1>{escape(found.run)}</h1>",
        f'<p class="soft">{escape(found.method)}, step {found.step:,}. {_counted(found)}</p>',
        *(f'<p class="soft">{escape(note)}</p>' for note in found.notes),
        *(f'<p class="warning">{escape(warning)}</p>' for warning in found.warnings()),
        *_montages(found),
        *_map(found),
        *_history(found.history),
        *_agreement(found.seen),
        *_grids(found),
    ]
    title = f"{found.run}: styles and domains" if found.seen.sizes else f"{found.run}: styles"
    text = _PAGE.read_text(encoding="utf-8")
    return text.replace("/*TITLE*/", escape(title)).replace("/*BODY*/", "\n".join(parts))


def colour(i: int) -> str:
    """Return the colour of domain or class i, which can be told from the others on white and on black."""
    return PALETTE[i] if i < len(PALETTE) else f"hsl({i * 137.5 % 360:.0f} 60% 50%)"


def _counted(found: Inspection) -> str:
    n, of = len(found.seen.refs), found.available
    drawn = f"{n:,} images" if n == of else f"{n:,} of {of:,} images, drawn evenly"
    return f"{drawn}, each as its centre square at {found.size} px, the size of the training."


def _montages(found: Inspection) -> Iterator[str]:
    """Yield for each domain its size, its classes, its most and its least typical images."""
    seen = found.seen
    if not seen.sizes:
        return
    yield "<h2>Domains and their typical images</h2>"
    yield (
        '<p class="soft">Below each image is the probability of its domain. The most typical images are the likeliest '
        "ones, and of equally likely ones those nearest to the domain's mean style.</p>"
    )
    for domain, size in enumerate(seen.sizes):
        share = f"{size:,} image{'s' * (size != 1)}, {100 * size / len(seen.refs):.0f} %"
        yield f'<section class="domain"><h3>{_chip(domain)}Domain {domain}: {share}</h3>'
        places = seen.typical(domain) if size else []
        if seen.classes and places:
            made_of = Counter(seen.refs[i].label or "no class" for i in places).most_common()
            yield f'<p class="soft">{escape(", ".join(f"{100 * n / size:.0f} % {name}" for name, n in made_of))}</p>'
        last = places[MOST_TYPICAL:][-LEAST_TYPICAL:][::-1]
        for kind, chosen in (("most typical", places[:MOST_TYPICAL]), ("least typical", last)):
            if chosen:
                tiles = "".join(_tile(found, i, domain) for i in chosen)
                yield f'<div class="tiles"><span>{kind}</span>{tiles}</div>'
        yield "</section>"


def _tile(found: Inspection, place: int, domain: int) -> str:
    ref, probability = found.seen.refs[place], float(found.seen.probabilities[place, domain])
    said = f"<figcaption>{probability:.2f}</figcaption>"
    image = f'<img src="{_thumbnail(ref, found.channels, TILE)}" title="{escape(_about(found.seen, place))}" alt="">'
    return f'<figure class="tile" style="--c:{colour(domain)}">{image}{said}</figure>'


def _map(found: Inspection) -> Iterator[str]:
    """Yield the map of styles, which can be coloured by class where there are classes."""
    seen = found.seen
    shown = evenly(range(len(seen.refs)), ON_MAP)
    yield "<h2>Map of the styles</h2>"
    if len(shown) < inspect_map.LEAST:
        yield f"<p>There are {len(shown)} images; a map needs {inspect_map.LEAST}.</p>"
        return
    some = f"{len(shown):,} of the images, drawn evenly. " if len(shown) < len(seen.refs) else ""
    yield (
        f'<p class="soft">{some}By t-SNE: images beside each other have similar styles. Distances between groups, and '
        "their sizes, say nothing. An image grows under the pointer.</p>"
    )
    both = bool(seen.sizes and seen.classes)
    if both:
        yield '<input type="radio" name="by" id="by-domain" checked> <label for="by-domain">coloured by domain</label>'
        yield '<input type="radio" name="by" id="by-class"> <label for="by-class">coloured by class</label>'
    named = [("domain", [f"domain {i}" for i in range(len(seen.sizes))]), ("class", seen.classes)]
    for kind, names in named:
        if names:
            listed = "".join(f"<span>{_chip(i)}{escape(name)}</span>" for i, name in enumerate(names))
            yield f'<div class="legend by-{kind}">{listed}</div>'
    side = min(56, max(26, round(math.sqrt(3e5 / len(shown)))))
    yield f'<div class="map" style="--side:{side}px">'
    for place, (x, y) in zip(shown, inspect_map.places(seen.styles[shown]), strict=True):
        k = colour(seen.classes.index(label)) if (label := seen.refs[place].label) in seen.classes else "var(--line)"
        d = colour(int(seen.domains[place])) if seen.sizes else k
        where = f"--x:{x:.4f};--y:{y:.4f};--d:{d};--k:{k}"
        picture = _thumbnail(seen.refs[place], found.channels, side)
        yield f'<img style="{where}" src="{picture}" title="{escape(_about(seen, place))}" alt="">'
    yield "</div>"


def _history(windows: Sequence[Window]) -> Iterator[str]:
    """Yield a chart of the shares of the domains over training."""
    if not windows:
        return
    parts = bins(windows, BINS)
    width, height, last = 800, 200, parts[-1].end
    yield "<h2>Domains over training</h2>"
    yield '<p class="soft">The share of the images of training that was in each domain, domain 0 at the bottom.</p>'
    names = "".join(f"<span>{_chip(i)}domain {i}</span>" for i in range(len(parts[0].sizes)))
    yield f'<div class="legend">{names}</div>'
    yield f'<svg class="history" viewBox="-44 -8 {width + 60} {height + 34}" role="img" aria-label="shares of domains">'
    for part in parts:
        left, right, below = width * part.start / last, width * part.end / last, 0
        for i, size in enumerate(part.sizes):
            if size:
                top, tall = height * (1 - (below + size) / sum(part.sizes)), height * size / sum(part.sizes)
                box = f'x="{left:.2f}" y="{top:.2f}" width="{right - left + 0.2:.2f}" height="{tall:.2f}"'
                yield f'<rect {box} fill="{colour(i)}"/>'
            below += size
    for share in (0, 50, 100):
        yield f'<text x="-6" y="{height * (1 - share / 100) + 4:.0f}" text-anchor="end">{share} %</text>'
    yield f'<text x="0" y="{height + 18}">step {parts[0].start:,}</text>'
    yield f'<text x="{width}" y="{height + 18}" text-anchor="end">step {last:,}</text></svg>'


def _agreement(seen: Seen) -> Iterator[str]:
    """Yield how well the domains agree with the classes, where there are both."""
    if not seen.sizes or not seen.classes:
        return
    classes = numbers([ref.label for ref in seen.refs], seen.classes)
    held = torch.tensor(seen.held)
    parts = {"all images": classes >= 0}
    if held.any() and not held.all():
        parts |= {"images of training": (classes >= 0) & ~held, "test images": (classes >= 0) & held}
    yield "<h2>Domains against classes</h2>"
    yield (
        '<p class="soft">Classes are folders, which the model has not seen unless it was trained with labels. '
        "Accuracy: each domain stands for one class, under the best assignment. Purity: each for its largest class. "
        "NMI and ARI: 1 where domains are the classes, 0 for chance (ARI) or nothing in common (NMI).</p>"
    )
    rows = []
    for name, mask in parts.items():
        if mask.any():
            scores = agreement(seen.domains[mask], classes[mask])
            rows.append([name, f"{int(mask.sum()):,}", *(f"{score:.3f}" for score in scores)])
    yield _table(["", "images", "accuracy", "purity", "NMI", "ARI"], rows, "scores")
    known = classes >= 0
    counts = contingency(seen.domains[known], classes[known])
    table = [[f"domain {i}", *(f"{n:,}" for n in row)] for i, row in enumerate(counts.tolist())]
    yield _table(["", *seen.classes], table, "contingency")


def _grids(found: Inspection) -> Iterator[str]:
    """Yield the same inputs in each style."""
    if not found.grids:
        yield "<h2>Every domain's style</h2><p>No domain has a style yet: the generator has not been trained.</p>"
    for grid in found.grids:
        yield f"<h2>{escape(grid.title)}</h2>"
        cut = f" The {COLUMNS} domains with the most images are shown." if len(found.reachable) > COLUMNS else ""
        yield f'<p class="soft">Each row is one input, translated into the style of each column.{cut}</p>'
        yield f'<div class="wide">{_grid(grid, found.channels)}</div>'


def _grid(grid: Grid, channels: int) -> str:
    heads = [
        f'<img src="{_thumbnail(ref, channels, TILE)}" title="{escape(ref.name)}" alt="">' for ref in grid.references
    ]
    heads = [
        f"{head}{escape(text)}" for head, text in zip(heads or [""] * len(grid.headings), grid.headings, strict=True)
    ]
    lines = ["<th>input</th>" + "".join(f"<th>{head}</th>" for head in heads)]
    for i, x in enumerate(grid.inputs):
        cells = [x, *(column[i] for column in grid.columns)]
        lines.append("".join(f'<td><img src="{_uri(_picture(cell), CELL)}" alt=""></td>' for cell in cells))
    return f'<table class="grid">{"".join(f"<tr>{line}</tr>" for line in lines)}</table>'


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], kind: str) -> str:
    lines = ["".join(f"<th>{escape(text)}</th>" for text in headings)]
    lines += ["".join(f"<td>{escape(text)}</td>" for text in row) for row in rows]
    return (
        f'<div class="wide"><table class="numbers {kind}">{"".join(f"<tr>{line}</tr>" for line in lines)}</table></div>'
    )


def _chip(i: int) -> str:
    return f'<span class="chip" style="--c:{colour(i)}"></span>'


def _about(seen: Seen, place: int) -> str:
    """Return what is known of an image: its name, its class, its domain."""
    ref, parts = seen.refs[place], [seen.refs[place].name]
    parts += [f"class {ref.label}"] if ref.label and seen.classes else []
    if seen.sizes:
        domain = int(seen.domains[place])
        parts.append(f"domain {domain} ({float(seen.probabilities[place, domain]):.2f})")
    return ", ".join(parts)


def _thumbnail(ref: ImageRef, channels: int, side: int) -> str:
    return _uri(_picture(square(ref, channels, side)), side)


def _picture(x: Tensor) -> Image.Image:
    image: Image.Image = to_pil_image(x.clamp(-1, 1).add(1).div(2))
    return image


def _uri(image: Image.Image, most: int) -> str:
    """Return a picture of at most `most` pixels a side as a data URI."""
    if image.width > most:
        image = image.resize((most, most), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
