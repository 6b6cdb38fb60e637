"""`instar push`: a trained model for others, on a hub or in a store of files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from instar.cli.parser import console, parse
from instar.cli.progress import say


@dataclass(frozen=True, kw_only=True)
class Push:
    """Share a trained model: weights as safetensors, settings without paths of this machine, and a card."""

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """Run directory (its last checkpoint is shared) or one checkpoint."""
    to: Annotated[Positional[str], arg(metavar="ADDRESS")]
    """hf://OWNER/NAME, on a hub; or file:///PATH, a folder that is not there yet."""
    data: str = ""
    """What the images are and where they are from, in your words, for the card."""
    license: str = ""
    """What may be done with the weights, for the card: a short name such as cc0-1.0, or your words."""
    scores: Path | None = None
    """JSON file that instar evaluate has written, whose scores go onto the card."""
    picture: Path | None = None
    """For the card; the newest sample picture of the run if not given."""
    private: bool = False
    """On a hub: only its owner sees it, if it is made now."""


def run(arguments: Sequence[str]) -> int:
    """Share the model, say where it is, and return 0."""
    args = parse(Push, arguments, "instar push")
    from instar.api.push import push

    done = push(
        args.run,
        args.to,
        data=args.data,
        license=args.license,
        scores=args.scores,
        picture=args.picture,
        private=args.private,
    )
    say(console(), f"shared: {done.address} ({done.bytes / 1e6:.1f} MB: {', '.join(done.files)})")
    return 0
