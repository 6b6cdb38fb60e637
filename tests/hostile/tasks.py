"""What processes of the campaign do that is no command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from instar.cli import demo
from instar.data.drawn import sets


def write_carelessly(arguments: Sequence[str]) -> int:
    """Write a file in place, as nothing in Instar may: what the campaign must find."""
    path = Path(arguments[0])
    with path.open("w") as file:
        for _ in range(3):
            file.write("a line\n" * 2000)
            file.flush()
    path.with_suffix(".done").write_text("")
    return 0


def draw_a_set(arguments: Sequence[str]) -> int:
    """Draw a set over another one of the same names, where there is one."""
    folder = Path(arguments[0])
    sets.write("stripes", folder, "easy", train=2, test=2)
    return 0


def demonstrate(arguments: Sequence[str]) -> int:
    """Run the demo with few pictures."""
    demo.TRAIN, demo.TEST, demo.SHOWN = 6, 3, 3
    return demo.run(["-o", *arguments, "--steps", "2"])
