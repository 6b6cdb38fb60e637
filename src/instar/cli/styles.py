"""`instar styles`: the styles that a model reads from images, and the domains it puts them in, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from instar.cli.flags import spell
from instar.cli.parser import console, parse
from instar.cli.progress import say
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


def run(arguments: Sequence[str]) -> int:
    """Write the table, and return 0, or 1 if some images could not be read: they are left out and named."""
    args = parse(Styles, arguments, "instar styles")
    if not args.inputs:
        raise UserError("no images given: instar styles RUN INPUT... -o TABLE")
    from instar.api.translate import styles

    table = styles(args.run, args.inputs, args.out, to=args.to, device=args.device)
    left_out = ""
    if table.failed:
        first, more = table.failed[0], ", ..." * (len(table.failed) > 1)
        left_out = f"; {len(table.failed)} left out: {first.file}: {first.reason.spelled(spell)}{more}"
    line = f"{len(table.files)} style{'s' * (len(table.files) != 1)} in {args.out}{left_out}"
    say(console(), line)
    return int(bool(table.failed))
