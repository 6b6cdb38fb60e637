"""`instar styles`: the styles that a model reads from images, and the domains it puts them in, as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from tyro.conf import Positional, arg

from instar.cli.parser import console, parse
from instar.core.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Styles:
    """Write a row for each image: its file, its style, and for a model that found domains the likeliest one."""

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """Run directory (its last checkpoint is used) or one checkpoint."""
    inputs: Annotated[Positional[tuple[str, ...]], arg(metavar="INPUT...")]
    """Images, folders with all their subfolders, or quoted patterns such as 'photos/**/*.jpg'."""
    out: Annotated[Path, arg(aliases=["-o"])]
    """The table: a .csv file, or .npz with arrays `path`, `style`, `domain` and `probability`."""
    to: str | None = None
    """Domain of the images, for methods with two; B if not given."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto takes the first of cuda, mps, cpu that is there."""

    def __post_init__(self) -> None:
        if self.out.suffix not in (".csv", ".npz"):
            raise UserError(f"-o {self.out}: give a file that ends with .csv or .npz")
        if not self.inputs:
            raise UserError("no images given: instar styles RUN INPUT... -o TABLE")


class Row(NamedTuple):
    """What is written of an image."""

    file: str
    style: list[float]
    probabilities: list[float]
    """Of the model's own domains; empty if it has none."""


def run(arguments: Sequence[str]) -> int:
    """Write the table, and return 0, or 1 if some images could not be read: they are left out and named."""
    args = parse(Styles, arguments, "instar styles")
    from instar.core.abilities import Clustered
    from instar.core.files import write_atomically
    from instar.core.images import UnreadableImage, read
    from instar.inference.jobs import collect
    from instar.inference.translator import Translator

    files = [job.source for job in collect(args.inputs, args.out.parent / f".{args.out.name}") if job.output]
    model = Translator.load(args.run, args.device)
    rows, failed = [], []
    for file in files:
        try:
            image = read(Path(file))
        except UnreadableImage as error:
            failed.append(str(error))
            continue
        found = model.cluster(image).tolist() if isinstance(model.method, Clustered) else []
        rows.append(Row(file, model.style_of(image, args.to).tolist(), found))
    if not rows:
        raise UserError(f"no image could be read, {failed[0]}")
    try:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(args.out, (as_csv if args.out.suffix == ".csv" else as_npz)(rows))
    except OSError as error:
        raise UserError(f"-o {args.out}: cannot be written ({error.strerror})") from error
    left_out = f"; {len(failed)} left out: {failed[0]}{', ...' * (len(failed) > 1)}" if failed else ""
    console().print(f"{len(rows)} styles in {args.out}{left_out}", markup=False, highlight=False, soft_wrap=True)
    return int(bool(failed))


def as_csv(rows: Sequence[Row]) -> bytes:
    """Return the table as text: path, domain and probability if there are any, then the numbers of the style."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    own = ["domain", "probability"] if rows[0].probabilities else []
    writer.writerow(["path", *own, *(f"s{i}" for i in range(len(rows[0].style)))])
    for row in rows:
        writer.writerow([row.file, *(_likeliest(row) if own else ()), *(f"{value:.6g}" for value in row.style)])
    return text.getvalue().encode()


def as_npz(rows: Sequence[Row]) -> bytes:
    """Return the table as arrays: `path` (N,), `style` (N, S), and if there are domains `domain` and `probability`."""
    import numpy as np

    arrays: dict[str, Any] = {
        "path": np.array([row.file for row in rows]),
        "style": np.array([row.style for row in rows], np.float32),
    }
    if rows[0].probabilities:
        domain, probability = zip(*(_likeliest(row) for row in rows), strict=True)
        arrays |= {"domain": np.array(domain), "probability": np.array(probability, np.float32)}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _likeliest(row: Row) -> tuple[int, float]:
    best = max(range(len(row.probabilities)), key=row.probabilities.__getitem__)
    return best, round(row.probabilities[best], 6)
