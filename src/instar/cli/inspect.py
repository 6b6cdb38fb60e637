"""`instar inspect`: one page about what a model with styles makes of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from instar.cli.parser import console, parse
from instar.core.errors import UserError


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

    def __post_init__(self) -> None:
        if self.out and self.out.suffix not in (".html", ".htm"):
            raise UserError(f"-o {self.out}: give a file that ends with .html")
        for flag, value in (("count", self.count), ("inputs", self.inputs)):
            if value < 1:
                raise UserError(f"--{flag} {value}: must be 1 or more")


def run(arguments: Sequence[str]) -> int:
    """Write the page and return 0."""
    args = parse(Inspect, arguments, "instar inspect")
    from instar.core.files import write_atomically
    from instar.evaluation import inspect_map
    from instar.evaluation.inspect import inspect
    from instar.reports.inspect_page import page

    inspect_map.library()  # before minutes of work
    screen = console()
    with screen.status("loading") as status:
        found = inspect(
            args.run,
            args.data,
            count=args.count,
            inputs=args.inputs,
            to=args.to,
            device=args.device,
            tick=status.update,
        )
        status.update("laying out the map")
        html = page(found).encode()
    out = args.out or args.run / "inspect.html"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, html)
    except OSError as error:
        raise UserError(f"-o {out}: cannot be written ({error.strerror})") from error
    for warning in found.warnings():
        screen.print(f"warning: {warning}", markup=False, highlight=False, soft_wrap=True)
    screen.print(f"written: {out} ({len(html) / 1e6:.1f} MB)", markup=False, highlight=False, soft_wrap=True)
    return 0
