"""Scores of translations of a drawn set, by its oracles: the change is there or it is not, and what else changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from instar.core.errors import UserError
from instar.core.images import list_images, read, to_array
from instar.data.drawn import sets
from instar.data.drawn.oracle import Oracle, Reading
from instar.data.drawn.setting import Pixels
from instar.metrics.interval import Bounds, mean_interval

_FEW = 4
"""Pictures that an interval needs."""


@dataclass(frozen=True)
class DrawnScores:
    """What the oracles say of the translations of a drawn set's test pictures."""

    rows: Mapping[str, Reading]
    """One reading for each translation, by the name of its file without suffix."""

    @property
    def target(self) -> float:
        """Share of translations that have the change, 0..1."""
        return float(np.mean([row.target for row in self.rows.values()]))

    @property
    def target_interval(self) -> Bounds | None:
        """95 % interval of `target` over the choice of test pictures; None for fewer than four."""
        found = [float(row.target) for row in self.rows.values()]
        return mean_interval(found) if len(found) >= _FEW else None

    @property
    def strength(self) -> float:
        """Mean strength of the change, 0..1."""
        return float(np.mean([row.strength for row in self.rows.values()]))

    @property
    def outside(self) -> float:
        """Mean absolute difference to the inputs where the change has no business, in grey levels."""
        return float(np.mean([row.outside for row in self.rows.values()]))

    @property
    def cast(self) -> float:
        """Part of `outside` that a cast of colour explains."""
        return float(np.mean([row.cast for row in self.rows.values()]))


def oracles(folder: Path) -> dict[str, Oracle]:
    """Return the oracle of each test picture of a drawn set, by its name without suffix.

    They serve any number of times, and take a tenth to half a second each to make at 64 px.

    Raises:
        UserError: the folder is no drawn set.
    """
    drawn = sets.read(folder)
    return {name: Oracle(drawn.kind, scene, drawn.size) for name, scene in drawn.inputs.items()}


def score(folder: Path, translations: Path, known: Mapping[str, Oracle] | None = None) -> DrawnScores:
    """Score the translations of a drawn set's testA, all or some of them.

    Args:
        folder: as `instar.data.drawn.sets.write` made it.
        translations: a folder with pictures of the same names and size as those of testA, in any format.
        known: `oracles` of the folder, where they are at hand.

    Raises:
        UserError: the folder is no drawn set; there are no translations, some of no or of the same test picture, some
            unreadable, or some of another size.
    """
    known = oracles(folder) if known is None else known
    files: dict[str, Path] = {}
    for path in list_images(translations, recursive=False):
        if path.stem not in known:
            raise UserError(f"{path}: there is no test picture of this name; keep the names of {folder / 'testA'}")
        if path.stem in files:
            raise UserError(f"{path}: {files[path.stem].name} is a translation of the same picture; remove one")
        files[path.stem] = path
    if not files:
        raise UserError(f"{translations}: no images; give a folder with translations of {folder / 'testA'}")
    return DrawnScores({name: known[name].read(_pixels(path, known[name])) for name, path in files.items()})


def _pixels(path: Path, oracle: Oracle) -> Pixels:
    pixels = to_array(read(path), 3)
    if pixels.shape != oracle.picture.shape:
        height, width = pixels.shape[:2]
        size = len(oracle.picture)
        raise UserError(
            f"{path}: {width} x {height} pixels, the set is drawn at {size}; draw it at the size of the model"
        )
    return (pixels >> 8 if pixels.dtype == np.uint16 else pixels).astype(np.uint8)
