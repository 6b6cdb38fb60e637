"""`instar view`: the page of a run, or of several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from instar.cli.flags import spell
from instar.cli.parser import console, parse
from instar.cli.progress import say


@dataclass(frozen=True, kw_only=True)
class View:
    """Write a page with samples over time, curves, scores, settings and notes. It opens from disk in any browser."""

    runs: Annotated[Positional[tuple[Path, ...]], arg(metavar="RUN...")]
    """Run directories; several are compared."""
    out: Annotated[Path | None, arg(aliases=["-o"])] = None
    """The file, which ends with .html; index.html in the run if not given, which trainings write themselves."""
    open: bool = False
    """Open it in the browser."""


def run(arguments: Sequence[str]) -> int:
    """Write the page, say where it is, and return 0."""
    args = parse(View, arguments, "instar view")
    from instar.api.view import view

    page = view(args.runs, args.out, speller=spell)
    say(console(), f"written: {page}")
    if args.open:
        import webbrowser

        webbrowser.open(page.absolute().as_uri())
    return 0
