"""Write a drawn set.

python -m instar.data.drawn KIND OUT [LEVEL [SIZE [TRAIN [TEST]]]]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from instar.data.drawn import sets
from instar.data.drawn.command import drawn_into
from instar.data.drawn.kinds import KINDS
from instar.data.drawn.setting import Level


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m instar.data.drawn", description="Draw an unpaired set.")
    parser.add_argument("kind", help=f"of change: {', '.join(KINDS)}")
    parser.add_argument("out", type=Path, help="folder, to be made or empty")
    levels = " or ".join(get_args(Level))
    parser.add_argument("level", nargs="?", default="cluttered", help=f"{levels}; cluttered if not given")
    parser.add_argument("size", nargs="?", type=int, default=64, help="side in pixels, 64 or more; 64 if not given")
    parser.add_argument("train", nargs="?", type=int, default=400, help="pictures of each domain; 400 if not given")
    parser.add_argument("test", nargs="?", type=int, default=100, help="as many to test with; 100 if not given")
    given = parser.parse_args(arguments)
    return drawn_into(
        parser, given.out, lambda part: sets.write(given.kind, part, given.level, given.size, given.train, given.test)
    )


if __name__ == "__main__":
    main()
