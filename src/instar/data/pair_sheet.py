"""A picture of pairs, by which a person sees in a moment whether they are some."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from instar.core.board import board, tile
from instar.core.errors import UserError, setting
from instar.core.images import save
from instar.data.check import Report, readable_pairs

MOST, ACROSS = 20, 4
"""Pairs that are shown at most, and in one row."""


def write_pairs(found: Report, path: Path) -> None:
    """Write pairs of training images that `check` found, spread evenly over all.

    Raises:
        UserError: there are none, or the file cannot be written.
    """
    said = setting("pairs", path)
    if not found.domains:
        raise UserError(f"{said}: these are no pairs: the two domains have other file names")
    shown = [list(map(tile, pair)) for pair in zip(*readable_pairs(found.pairs, MOST), strict=True)]
    if not shown:
        raise UserError(f"{said}: no pair can be read")
    across = min(ACROSS, len(shown))
    rows = [list(chain(*shown[i : i + across])) for i in range(0, len(shown), across)]
    save(board(found.domains * across, rows), path)
