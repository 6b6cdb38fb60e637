"""`instar compare`: runs side by side, as a table with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from instar.cli.parser import console, parse
from instar.cli.progress import Screen, say
from instar.core.errors import Message


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
    """Features in which distances are taken: inception (FID and KID of the literature), mobilenet, efficientnet,
    torchvision:NAME, timm:NAME, or module.path:callable of your own."""
    weights: Path | None = None
    """File with the extractor's weights. mobilenet needs it; the others fetch theirs if it is not given."""
    to: str | None = None
    """Domain to translate into, by its name or as A or B; B, the target of the training, if not given."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto takes the first of cuda, mps, cpu that is there."""


def run(arguments: Sequence[str]) -> int:
    """Measure, write the folder, and return 0."""
    args = parse(Compare, arguments, "instar compare")
    from instar.api.compare import compare
    from instar.reports.compare import summary

    screen = console()
    with Screen(screen, "loading") as on_event:
        found = compare(
            args.runs,
            args.out,
            data=args.data,
            extractor=args.extractor,
            weights=args.weights,
            to=args.to,
            device=args.device,
            on_event=on_event,
        )
    print("\n".join(map(Message, summary(found).split("\n"))))
    say(screen, f"written: {args.out / 'table.html'}")
    return 0
