"""`instar import`: a checkpoint of the authors' own code becomes a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from instar.cli.parser import console, parse
from instar.cli.progress import Screen, say

Kind = Literal["cyclegan", "pix2pix", "cut", "fastcut", "ugatit", "munit", "unit", "tunit", "bicyclegan", "gcgan"]


@dataclass(frozen=True, kw_only=True)
class Import:
    """Make a run of a checkpoint that the authors' own code has saved. It translates and can be trained on."""

    format: Annotated[Positional[Kind], arg(metavar="FORMAT")]
    """Whose file it is."""
    files: Annotated[Positional[tuple[str, ...]], arg(metavar="FILE...")]
    """One for each network, such as latest_net_G_A.pth, or one with all. NETWORK=FILE where a name does not tell."""
    out: Annotated[Path, arg(aliases=["-o"])]
    """Directory of the run, new or empty."""
    source: str | None = None
    """Name of the domain that is translated from."""
    target: str | None = None
    """Name of the domain that is translated to."""
    images: tuple[Path, ...] = ()
    """A data set folder, or one folder per domain: to evaluate the run and to train it on."""
    size: int | None = None
    """Side of the training crops in pixels; the authors' if not given."""


def run(arguments: Sequence[str]) -> int:
    """Write the run, say what is in it, and return 0."""
    args = parse(Import, arguments, "instar import")
    from instar.api.import_ import import_checkpoint

    screen = console()
    with Screen(screen, "reading"):
        found = import_checkpoint(
            args.format,
            args.files,
            out=args.out,
            source=args.source,
            target=args.target,
            images=args.images,
            size=args.size,
        )
    for line in found.notes:
        say(screen, f"note: {line}")
    say(screen, f"{found.method}: {', '.join(found.networks)}; translates to {', '.join(found.targets)}")
    if found.absent:
        say(screen, f"not in the files: {', '.join(found.absent)}")
    say(screen, f"written: {found.run}")
    return 0
