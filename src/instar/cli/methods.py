"""`instar methods`: what there is to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from instar.cli.parser import parse
from instar.core import registry
from instar.core.description import description


@dataclass(frozen=True)
class Methods:
    """List the methods: paper, data they need, directions, presets."""


def run(arguments: Sequence[str]) -> int:
    """Print a table of all methods."""
    parse(Methods, arguments, "instar methods")
    table = Table(box=None, pad_edge=False)
    for heading in ("method", "paper", "data", "directions", "styles"):
        table.add_column(heading)
    found = [description(name) for name in registry.names()]
    for method in found:
        styles = "many" if "many styles" in method.abilities else "one"
        table.add_row(*map(Text, (method.name, method.citation, method.data, method.directions, styles)))
    Console().print(table)
    for method in found:
        for title, preset in method.presets_of_their_own.items():
            print(f"\n{title} is instar train {method.name} --preset {preset}.")
    print("\ninstar train METHOD --help lists the options and presets of one.")
    return 0
