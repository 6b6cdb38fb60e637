"""A method in words: its paper, its data, where it translates to. For lists, tables and pages.

Those of Instar's own methods are written into a file of the package, as building a method to look at it takes seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Paper:
    """Where a method comes from."""

    title: str
    authors: str
    year: int
    url: str


@dataclass(frozen=True)
class Description:
    """What is said of a method."""

    name: str
    """Its name in Instar."""
    title: str
    """Its name in the literature."""
    presets_of_their_own: Mapping[str, str]
    """Further published methods that are presets of this one, by their names in the literature."""
    paper: Paper | None
    """The paper that it follows; None for a method made of known parts."""
    data: str
    """What it needs, such as "pairs"."""
    directions: str
    """Where it translates to: "one way", "both ways" or "any to any"."""
    abilities: tuple[str, ...]
    """What it can do besides, such as "many styles"."""
    networks: Mapping[str, tuple[str, ...]]
    """By kind, the names of the networks that have weights."""

    @property
    def citation(self) -> str:
        """The paper in short: Benaim and Wolf 2017; of no paper's method "no paper"."""
        if self.paper is None:
            return "no paper"
        authors = self.paper.authors.split(", ")
        short = " and ".join(authors) if len(authors) < 3 else f"{authors[0]} et al."
        return f"{short} {self.paper.year}"


def description(name: str) -> Description:
    """Return the description of a method: that in the package, of others what `instar.core.describe` finds."""
    if name not in _own():
        from instar.core.describe import describe  # noqa: PLC0415  (seconds of torch)

        return describe(name)
    known = _own()[name]
    return Description(
        **{
            **known,
            "paper": Paper(**known["paper"]) if known["paper"] else None,
            "abilities": tuple(known["abilities"]),
            "networks": {kind: tuple(names) for kind, names in known["networks"].items()},
        }
    )


@cache
def _own() -> dict[str, dict[str, Any]]:
    text = files("instar.methods").joinpath("descriptions.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found
