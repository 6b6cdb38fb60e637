"""`instar check DATA`: look at a data set before training on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from instar.cli.flags import spell
from instar.cli.parser import console, parse
from instar.cli.progress import Screen


@dataclass(frozen=True, kw_only=True)
class Check:
    """Read every file of a data set and report what is wrong with it. Exit code 1 if anything is."""

    data: Annotated[Positional[tuple[Path, ...]], arg(metavar="DATA...")]
    """A data set folder, a table or a tar, or one for each domain."""
    source: Annotated[str | None, arg(name="from")] = None
    """Domain to translate from, by name."""
    target: Annotated[str | None, arg(name="to")] = None
    """Domain to translate to, by name."""
    pages: int | Literal["all", "first"] = "first"
    """Of files of several pages or frames: all, the first, or the number of one, from 1."""
    pairs: Path | None = None
    """Picture to be written, such as pairs.png: up to 20 pairs side by side, to see whether they are some."""
    pair_by: Annotated[str | None, arg(name="data.pair-by")] = None
    """Regular expression for the names of pairs, as of instar train."""
    masks: str | None = None
    """End of the names of masks, such as _mask, as of instar train."""


def run(arguments: Sequence[str]) -> int:
    """Print the report."""
    args = parse(Check, arguments, "instar check")
    from instar.api.check import check

    with Screen(console()) as listen:
        report = check(
            args.data,
            args.source,
            args.target,
            pages=args.pages,
            pairs=args.pairs,
            pair_by=args.pair_by,
            masks=args.masks,
            on_event=listen,
        )
    print("\n".join(line.spelled(spell) for line in report.lines()))
    return 1 if report.problems else 0
