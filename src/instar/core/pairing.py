"""Which files of several folders belong together: by name."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from instar.core.listing import composed

ItemT = TypeVar("ItemT", bound=Hashable)
Name = tuple[str, str]
"""A path in its folder without the suffix, and the suffix."""


@dataclass(frozen=True)
class Pairing(Generic[ItemT]):
    """Rows of items that belong together, one of each side, in the order of the first side."""

    rows: list[tuple[ItemT, ...]]
    ambiguous: list[ItemT]
    """Items in rows beside which others would have fitted as well; the first counts."""


def paired(sides: Sequence[Sequence[ItemT]], name: Callable[[ItemT], Name]) -> Pairing[ItemT]:
    """Find rows of the same full name, and among what is left rows of the same name but for the suffix.

    Args:
        sides: the items of each folder.
        name: of an item. Names are compared as Unicode composes them.
    """
    by_stem = [_grouped(side, name) for side in sides]
    rows: dict[ItemT, tuple[ItemT, ...]] = {}
    ambiguous: list[ItemT] = []
    for stem in by_stem[0]:
        groups = [side.get(stem, []) for side in by_stem]
        whole = [row for first in groups[0] if (row := _alike(first, groups, name))]
        left = [[item for item in group if all(item not in row for row in whole)] for group in groups]
        rows |= {row[0]: row for row in whole}
        if all(left):
            row = tuple(group[0] for group in left)
            rows[row[0]] = row
            if any(len(group) > 1 for group in left):
                ambiguous.append(row[0])
    return Pairing([rows[item] for item in dict.fromkeys(sides[0]) if item in rows], ambiguous)


def _grouped(side: Sequence[ItemT], name: Callable[[ItemT], Name]) -> dict[str, list[ItemT]]:
    groups: dict[str, list[ItemT]] = {}
    for item in dict.fromkeys(side):
        groups.setdefault(composed(name(item)[0]), []).append(item)
    return groups


def _alike(first: ItemT, groups: Sequence[Sequence[ItemT]], name: Callable[[ItemT], Name]) -> tuple[ItemT, ...] | None:
    """Return a row of the full name of `first`; None if a side has none."""
    suffix = name(first)[1]
    row = [next((item for item in group if name(item)[1] == suffix), None) for group in groups[1:]]
    found = [item for item in row if item is not None]
    return (first, *found) if len(found) == len(row) else None
