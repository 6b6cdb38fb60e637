"""`instar serve`: models over HTTP."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from instar.cli.parser import console, parse
from instar.cli.progress import say
from instar.cli.signals import stop_on_signals
from instar.core.config import Device
from instar.serving.limits import Limits


@dataclass(frozen=True, kw_only=True)
class Serve:
    """Serve models over HTTP until the process is stopped: POST an image to /v1/translate, get its translation."""

    models: Annotated[Positional[tuple[str, ...]], arg(metavar="RUN|MODEL...")]
    """Run directories, checkpoints or exported files; NAME=PATH gives one another name."""
    host: str = "127.0.0.1"
    """Address to listen at. Others than this machine's own need a token."""
    port: int = 8000
    """0 takes a free one."""
    token_file: Path | None = None
    """File with the token that clients must send: Authorization: Bearer TOKEN."""
    device: Device = "auto"
    """auto, cpu, cuda or mps."""
    limits: Limits = field(default_factory=Limits)
    """What clients may ask for."""


def run(arguments: Sequence[str]) -> int:
    """Serve until a signal, and return 0."""
    args = parse(Serve, arguments, "instar serve")
    from instar.api.serve import serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    screen, stop = console(), threading.Event()
    with stop_on_signals(stop):
        serve(
            args.models,
            host=args.host,
            port=args.port,
            token_file=args.token_file,
            device=args.device,
            limits=args.limits,
            on_ready=lambda address: say(screen, f"serving at {address}; stop it with Ctrl-C"),
            stop=stop,
        )
    return 0
