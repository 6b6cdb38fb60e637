"""Names of pairs by a regular expression: what its groups match is the pair, what is left of the name its side."""

from __future__ import annotations

import re


def pair_of(expression: str, name: str) -> str | None:
    """Return what the groups match in a whole name, joined by `/`; None if the expression does not match."""
    match = re.fullmatch(expression, name)
    return None if match is None else "/".join(group or "" for group in match.groups())


def side_of(expression: str, name: str) -> str:
    """Return a name that the expression matches without what its groups match, and without separators around that."""
    match = re.fullmatch(expression, name)
    if match is None:
        raise ValueError(f"{expression!r} does not match {name!r}")
    taken = {place for group in range(1, len(match.groups()) + 1) for place in range(*match.span(group))}
    left = "".join(letter for place, letter in enumerate(name) if place not in taken)
    return left.strip(" _-./")
