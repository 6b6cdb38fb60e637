"""Describes a method by looking at what it builds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic

from torch import nn

from instar.core import registry
from instar.core.abilities import Attentive, Classifying, Clustered, Coded, Landmarked, Styled, abilities
from instar.core.batch import ManyDomains
from instar.core.description import Description
from instar.core.method import Method, defaults, outline

WORDS: Mapping[type, str] = {
    Styled: "many styles",
    Clustered: "finds domains",
    Coded: "shared code",
    Landmarked: "landmarks",
    Attentive: "attention maps",
    Classifying: "classifies",
}
"""Of abilities, in the order in which they are named."""


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
    if issubclass(method.data, ManyDomains) or len(method.data.sources()) == 1:
        return "any to any"
    return {0: "nothing", 1: "one way", 2: "both ways"}.get(len(method.targets), f"to {len(method.targets)} domains")


def _kind(net: nn.Module) -> str:
    """Return the class of a network, or of the networks in a container: a dictionary, or a class generic in them."""
    container = isinstance(net, nn.ModuleDict) or issubclass(type(net), Generic)
    return type(next(net.children()) if container else net).__name__
