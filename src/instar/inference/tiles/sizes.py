"""Which tiles may be asked for: known without torch, which takes seconds to load."""

from __future__ import annotations

from typing import Literal, get_args

from instar.core.errors import UserError, setting
from instar.core.settings import Bounds

SMALLEST_TILE = 64
LARGEST_TILE = 1024
"""Of `auto`: larger ones are not faster."""
TILES = "translating an image in tiles"
"""What is counted in the events of one image."""
Tile = int | Literal["auto"]
"""Side of a square with as many pixels as are computed at a time; auto chooses by the memory that is free."""
TileStatistics = Literal["exact", "approximate"]
"""Whether norms take their statistics from the whole image, or from the image made smaller."""


def check_tile(tile: object, statistics: object = "exact") -> None:
    """Refuse what is no tile (a number of pixels, auto, or None for none) or no choice of statistics in tiles."""
    if isinstance(tile, int) and not isinstance(tile, bool):
        Bounds(SMALLEST_TILE).check("tile", tile)
    elif tile not in (None, "auto"):
        raise UserError(f"{setting('tile', tile)}: give {setting('tile', 'auto')} or a number of pixels")
    choices, given = get_args(TileStatistics), setting("tile_statistics", statistics)
    if statistics not in choices:
        raise UserError(f"{given}: give {' or '.join(choices)}")
    if statistics != "exact" and tile is None:
        raise UserError(f"{given}: goes with {setting('tile', 'auto')} or a number of pixels")
