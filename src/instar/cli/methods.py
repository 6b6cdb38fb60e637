"""`instar methods`: what there is to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from instar.cli.parser import parse
from instar.core import registry
from instar.core.abilities import Styled
from instar.core.method import Method


@dataclass(frozen=True)
class Methods:
    """List the methods: paper, data they need, directions, presets."""


def directions(method: type[Method[Any]]) -> str:
    """Say from where to where a method translates."""
    if len(method.data.sources()) == 1:
        return "any to any"
    return {1: "one way", 2: "both ways"}.get(len(method.targets), f"to {len(method.targets)} domains")


def run(arguments: Sequence[str]) -> int:
    """Print a table of all methods."""
    parse(Methods, arguments, "instar methods")
    table = Table(box=None, pad_edge=False)
    for heading in ("method", "paper", "data", "directions", "styles"):
        table.add_column(heading)
    for name in registry.names():
        method = registry.get(name)
        table.add_row(
            name,
            f"{method.paper.authors.split(',')[0]} et al. {method.paper.year}",
            method.data.needs,
            directions(method),
            "many" if issubclass(method, Styled) else "one",
        )
    Console().print(table)
    print("\ninstar train METHOD --help lists the options and presets of one.")
    return 0
