"""`instar studio`: a page to look at images, train, watch, translate and score."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from instar.cli.flags import spell
from instar.cli.parser import console, parse
from instar.cli.progress import say
from instar.cli.signals import stop_on_signals


@dataclass(frozen=True, kw_only=True)
class Studio:
    """Serve a page for a folder: look at images, train, watch, translate, score. Trainings go on without it."""

    root: Annotated[Positional[Path], arg(metavar="ROOT")] = Path()
    """Folder with data sets and runs; the page reaches nothing outside of it."""
    host: str = "127.0.0.1"
    """Address to listen at. Others than this machine's own need a token."""
    port: int = 7860
    """0 takes a free one."""
    token_file: Path | None = None
    """File with the token that a browser shows once: open the address with ?token=TOKEN."""
    open: bool = False
    """Open the page in the browser."""


def run(arguments: Sequence[str]) -> int:
    """Serve until a signal, and return 0."""
    args = parse(Studio, arguments, "instar studio")
    from instar.studio.launch import launch

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    screen, stop = console(), threading.Event()

    def ready(address: str) -> None:
        shown = f"{address}/?token=TOKEN" if args.token_file else address
        say(screen, f"studio for {args.root.absolute()} at {shown}; stop it with Ctrl-C, trainings go on")
        if args.open:
            import webbrowser

            webbrowser.open(address)

    with stop_on_signals(stop):
        launch(
            args.root,
            host=args.host,
            port=args.port,
            token_file=args.token_file,
            speller=spell,
            on_ready=ready,
            stop=stop,
        )
    return 0
