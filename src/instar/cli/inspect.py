"""`instar inspect`: one page about what a model with styles makes of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from instar.cli.flags import spell
from instar.cli.parser import console, parse
from instar.cli.progress import Screen, say


@dataclass(frozen=True, kw_only=True)
class Inspect:
    """Write one page for the browser: domains that the model found with typical images, a map of styles, a grid."""

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """Run directory (its last checkpoint is used) or one checkpoint."""
    data: Annotated[Positional[tuple[Path, ...]], arg(metavar="[DATA...]")] = ()
    """Images, laid out as for training, those of a test folder too; the run's own if not given."""
    out: Annotated[Path | None, arg(aliases=["-o"])] = None
    """The page, a .html file; inspect.html in RUN if not given. One that is there is replaced."""
    to: str | None = None
    """For methods with two domains: that of the styles, by its name or as A or B; B if not given."""
    count: int = 1000
    """Most images to look at, drawn evenly; the map shows at most 1,000 of them."""
    inputs: int = 6
    """Images that are translated into each style."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto takes the first of cuda, mps, cpu that is there."""


def run(arguments: Sequence[str]) -> int:
    """Write the page and return 0."""
    args = parse(Inspect, arguments, "instar inspect")
    from instar.api.inspect import inspect

    screen, out = console(), args.out or args.run / "inspect.html"
    with Screen(screen, "loading") as on_event:
        found = inspect(
            args.run,
            args.data,
            out,
            to=args.to,
            count=args.count,
            inputs=args.inputs,
            device=args.device,
            on_event=on_event,
        )
    for note in found.notes:
        say(screen, f"note: {note.spelled(spell)}")
    for warning in found.warnings():
        say(screen, f"warning: {warning.spelled(spell)}")
    say(screen, f"written: {out} ({out.stat().st_size / 1e6:.1f} MB)")
    return 0
