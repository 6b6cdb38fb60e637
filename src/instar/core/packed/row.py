"""What files that hold or name many images have in common: rows, each with one image or several."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from instar.core.listing import LeftOut
from instar.core.member import File

IMAGE = "image"
"""Column of images that have no other name."""


_NUMBER = re.compile(r"[-_.]?\d+([-_.]of[-_.]\d+)?$")
"""Of a shard, at the end of its name."""


@dataclass(frozen=True)
class Row:
    """One sample.

    Attributes:
        images: by the name of their column; columns without an image are left out.
        key: what it is called among the others, such as the path of its image without the suffix.
        place: in words, for messages: row 7.
        split: as written; empty if nothing is.
        domain: as written; empty if nothing is.
        label: name of its class, if it has one.
    """

    images: Mapping[str, File]
    key: str
    place: str
    split: str = ""
    domain: str = ""
    label: str | None = None


@dataclass(frozen=True)
class Rows:
    """All samples of a file or folder, in its order."""

    columns: Sequence[str]
    """Those that hold images, in the order of the file."""
    rows: Sequence[Row]
    left_out: Sequence[LeftOut] = field(default=())


def base(shard: Path) -> str:
    """Return the name of a shard without the number at its end: train-00003-of-00012.parquet is one of train."""
    return _NUMBER.sub("", shard.stem)
