"""YAML and JSON as data, from anybody: of a size and depth that people write, whatever the file does."""

from __future__ import annotations

import json
from typing import Any

import yaml

LARGEST = 2**20
"""Characters of a file of settings; the reader of YAML takes some ten seconds for them."""
MOST = 100_000
"""Values of a file, those counted anew that an alias repeats: nine lines of aliases make billions."""


def read_yaml(text: str) -> Any:
    """Return what a YAML text holds: mappings, lists, texts and numbers.

    Raises:
        ValueError: it is none, or too large or too deep for settings. The message is a line.
    """
    if len(text) > LARGEST:
        raise ValueError(f"{len(text):,} characters are too many")
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _count(node, {}) > MOST:
            raise ValueError(f"it holds more than {MOST:,} values")
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError:
        raise ValueError("it is nested too deeply") from None  # a traceback of a thousand calls says nothing


def read_json(text: str | bytes) -> Any:
    """Return what a JSON text holds.

    Raises:
        ValueError: it is none, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _count(node: yaml.Node, known: dict[int, float]) -> float:
    """Return how many values a node stands for; infinitely many if it holds itself."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = float("inf")  # for an alias within what it names
        parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        known[id(node)] = 1 + sum(_count(part, known) for part in parts)
    return known[id(node)]
