"""What the command lines of drawn sets share: a set appears whole or not at all, and an error is a line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from instar.core.errors import UserError
from instar.core.files import folder_at_once


def drawn_into(parser: argparse.ArgumentParser, out: Path, write: Callable[[Path], None]) -> int:
    """Let `write` fill a folder that becomes `out`, new or empty, and return 0. Errors end the program with 2."""
    try:
        if out.exists() and any(out.iterdir()):
            raise UserError(f"{out} exists already; choose another folder")
        with folder_at_once(out) as part:
            write(part)
    except UserError as error:
        parser.exit(2, f"instar: {error}\n")
    except OSError as error:
        parser.exit(2, f"instar: {out}: cannot be written ({error.strerror})\n")
    return 0
