"""Short words for what tests of data sets ask."""

from pathlib import Path

from instar.core.batch import Paired, Unpaired
from instar.core.config import DataConfig
from instar.data import ImageRef, Selection, find


def search(*roots: Path, paired: bool = False, **settings: object) -> Selection:
    return find(DataConfig(roots=roots, **settings), Paired if paired else Unpaired)  # type: ignore[arg-type]


def names(refs: list[ImageRef]) -> list[str]:
    return [ref.path.name for ref in refs]
