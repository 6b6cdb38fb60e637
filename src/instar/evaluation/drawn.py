"""Scores of translations of a drawn set, by its oracles: the change is there or it is not, and what else changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from instar.core.errors import UserError
from instar.core.images import colour, eight_bit
from instar.core.listing import list_images
from instar.data import ImageRef
from instar.data.drawn import sets
from instar.data.drawn.oracle import Oracle, Reading
from instar.data.drawn.setting import Pixels
from instar.evaluation.pixels import to_eight_bit
from instar.evaluation.score import Better, Score, mean_of
from instar.metrics.interval import Bounds, mean_interval

TARGET, STRENGTH = "drawn target share", "drawn strength"
OUTSIDE, CAST = "drawn change elsewhere (L1)", "drawn cast (L1)"
"""Names of scores by oracles: share of the pictures that have the change, its mean strength 0..1, and grey levels by
which places changed where it has no business, and those of them that a cast of colour explains."""

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


def oracles(folder: Path) -> Mapping[str, Oracle]:
    """Return the oracle of each test picture of a drawn set, by its name without suffix.

    They serve any number of times, and take a tenth to half a second each to make at 64 px.

    Raises:
        UserError: the folder is no drawn set.
    """
    return _oracles(folder, (folder / sets.FILE).stat().st_mtime_ns if (folder / sets.FILE).is_file() else 0)


@lru_cache(maxsize=2)  # several runs are scored on one set
def _oracles(folder: Path, _written: int) -> Mapping[str, Oracle]:
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


class DrawnTruth:
    """What the test pictures of a drawn set were drawn from, beside a run's inputs."""

    def __init__(self, known: Sequence[Oracle]) -> None:
        """Take over an oracle for each input."""
        self._known = known

    @classmethod
    def of(cls, inputs: Sequence[ImageRef], size: int) -> tuple[DrawnTruth | None, list[str]]:
        """Return the truth about inputs that are the pictures of a drawn set's testA, and what is to be said about it.

        Args:
            inputs: of any set.
            size: side at which they are translated.
        """
        folders = {ref.path.parent for ref in inputs}
        folder = next(iter(folders)) if len(folders) == 1 else None
        if folder is None or folder.name != "testA" or not (folder.parent / sets.FILE).is_file():
            return None, []
        try:
            drawn = sets.read(folder.parent)
        except UserError as error:
            return None, [f"the truth of this drawn set is not known: {error.message.raw}"]
        if drawn.size != size or any(ref.path.stem not in drawn.inputs for ref in inputs):
            return None, [f"the truth of this drawn set is known for its own pictures, at {drawn.size} px"]
        known = oracles(folder.parent)
        return cls([known[ref.path.stem] for ref in inputs]), []

    def read(self, translations: Tensor, places: Sequence[int]) -> list[Reading]:
        """Return what translations (n, C, size, size) in [-1, 1] of the inputs at some places are."""
        pixels = to_eight_bit(colour(translations)).permute(0, 2, 3, 1).numpy()
        return [self._known[place].read(picture) for place, picture in zip(places, pixels, strict=True)]

    @staticmethod
    def scores(rows: Sequence[Reading]) -> list[Score]:
        """Return the scores of translations, one reading for each."""

        def mean(name: str, values: Iterable[float], better: Better) -> Score:
            return mean_of(name, torch.tensor(list(values), dtype=torch.float64), better)

        return [
            mean(TARGET, (row.target for row in rows), "higher"),
            mean(STRENGTH, (row.strength for row in rows), "higher"),
            mean(OUTSIDE, (row.outside for row in rows), "lower"),
            mean(CAST, (row.cast for row in rows), "lower"),
        ]


def _pixels(path: Path, oracle: Oracle) -> Pixels:
    pixels = eight_bit(ImageRef(path).read())
    if pixels.shape != oracle.picture.shape:
        height, width = pixels.shape[:2]
        size = len(oracle.picture)
        raise UserError(
            f"{path}: {width} x {height} pixels, the set is drawn at {size}; draw it at the size of the model"
        )
    return pixels
