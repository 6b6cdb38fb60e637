"""`instar advise DATA`: which method for these images, how long it takes, and what to expect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from instar.cli.flags import spell
from instar.cli.parser import console, parse
from instar.cli.progress import Screen


@dataclass(frozen=True, kw_only=True)
class Advise:
    """Look at a data set, name a method and a preset, and say how long it takes and what is not known."""

    data: Annotated[Positional[tuple[Path, ...]], arg(metavar="DATA...")]
    """A data set folder, a table or a tar, or one for each domain."""
    source: Annotated[str | None, arg(name="from")] = None
    """Domain to translate from, by name."""
    target: Annotated[str | None, arg(name="to")] = None
    """Domain to translate to, by name."""
    extractor: str | None = None
    """Adds how well the domains are told apart in these features, as of instar evaluate."""
    weights: Path | None = None
    """File with the extractor's weights, as of instar evaluate."""
    time: bool = True
    """Measure the minutes by some steps of the method on these images."""


def run(arguments: Sequence[str]) -> int:
    """Print the advice."""
    args = parse(Advise, arguments, "instar advise")
    from instar.api.advise import advise

    with Screen(console(), "looking at the images") as listen:
        found = advise(
            args.data,
            args.source,
            args.target,
            extractor=args.extractor,
            weights=args.weights,
            time=args.time,
            on_event=listen,
        )
    print("\n".join(line.spelled(spell) for line in found.lines()))
    return 0
