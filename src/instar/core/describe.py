"""A method in words: its paper, its data, where it translates to. For lists, tables and pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic

from torch import nn

from instar.core import registry
from instar.core.abilities import Attentive, Classifying, Clustered, Coded, Landmarked, Styled, abilities
from instar.core.method import Method, Paper, defaults, outline

WORDS: Mapping[type, str] = {
    Styled: "many styles",
    Clustered: "finds domains",
    Coded: "shared code",
    Landmarked: "landmarks",
    Attentive: "attention maps",
    Classifying: "classifies",
}
"""Of abilities, in the order in which they are named."""


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


def describe(name: str) -> Description:
    """Describe a method under its default preset."""
    kind = registry.get(name)
    method = outline(kind, defaults(name, kind, None).method)
    networks: dict[str, tuple[str, ...]] = {}
    for child, net in method.named_children():
        if any(True for _ in net.parameters()):
            networks[_kind(net)] = (*networks.get(_kind(net), ()), child)
    found = abilities(method)
    return Description(
        name=name,
        title=kind.title or kind.__name__,
        presets_of_their_own=kind.also,
        paper=kind.paper,
        data=kind.data.needs,
        directions=_directions(method),
        abilities=tuple(words for ability, words in WORDS.items() if ability in found),
        networks=networks,
    )


def _directions(method: Method[Any]) -> str:
    if len(method.data.sources()) == 1:
        return "any to any"
    return {1: "one way", 2: "both ways"}.get(len(method.targets), f"to {len(method.targets)} domains")


def _kind(net: nn.Module) -> str:
    """Return the class of a network, or of the networks in a container: a dictionary, or a class generic in them."""
    container = isinstance(net, nn.ModuleDict) or issubclass(type(net), Generic)
    return type(next(net.children()) if container else net).__name__
