"""`instar compare`: runs side by side, as a table with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from instar.cli.parser import console, parse
from instar.core.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Evaluate runs on the same held-out images, and write a table with pictures. It trains nothing."""

    runs: Annotated[Positional[tuple[Path, ...]], arg(metavar="RUN...")]
    """Run directories; those that differ only by their seed become one row with its spread."""
    out: Annotated[Path, arg(aliases=["-o"])]
    """Folder, to be made, for table.md, table.html, scores.json and the strips of pictures."""
    data: tuple[Path, ...] = ()
    """Images, laid out as for training; the first run's own test images if not given."""
    extractor: str = "inception"
    """Features in which distances are taken: inception (FID and KID of the literature), mobilenet, torchvision:NAME,
    or module.path:callable of your own."""
    weights: Path | None = None
    """File with the extractor's weights. mobilenet needs it; the others fetch theirs if it is not given."""
    to: str | None = None
    """Domain to translate into, by its name or as A or B; B, the target of the training, if not given."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto takes the first of cuda, mps, cpu that is there."""

    def __post_init__(self) -> None:
        if not self.runs:
            raise UserError("nothing to compare: instar compare RUN... -o OUT")
        if self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
            raise UserError(f"-o {self.out}: exists already; choose another folder")


def run(arguments: Sequence[str]) -> int:
    """Measure, write the folder, and return 0."""
    args = parse(Compare, arguments, "instar compare")
    from instar.evaluation.compare import compare, strip
    from instar.metrics.extractors import load_extractor
    from instar.reports.compare import write

    screen = console()
    extractor = load_extractor(args.extractor, args.weights)
    with screen.status("loading") as status:
        found = compare(
            args.runs,
            args.data,
            extractor=extractor,
            to=args.to,
            device=args.device,
            tick=lambda what: status.update(f"measuring: {what}"),
        )
        strips = {row.title: strip(Path(row.runs[0]), args.data, args.to, args.device) for row in found.rows}
    print(write(found, strips, args.out))
    screen.print(f"written: {args.out / 'table.html'}", markup=False, highlight=False, soft_wrap=True)
    return 0
