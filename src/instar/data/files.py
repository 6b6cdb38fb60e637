"""Images of a folder as a sequence that makes each when it is asked for: of a million, each object counts."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from instar.core.listing import beginning, composed, without_suffix
from instar.data.refs import ImageRef, Row


class Files(Sequence[ImageRef]):
    """Image files in a folder and below, with the sub-folders in which they lie as their classes."""

    def __init__(self, folder: Path, inside: list[str]) -> None:
        """Know the files.

        Args:
            folder: that holds them.
            inside: their paths in it, with `os.sep` between the parts.
        """
        self.folder, self.inside = folder, inside
        self._begin = beginning(folder)

    def __len__(self) -> int:
        return len(self.inside)

    @overload
    def __getitem__(self, i: int) -> ImageRef: ...

    @overload
    def __getitem__(self, i: slice) -> Files: ...

    def __getitem__(self, i: int | slice) -> ImageRef | Files:
        if isinstance(i, slice):
            return Files(self.folder, self.inside[i])
        inside = self.inside[i]
        text = inside.replace(os.sep, "/")
        first, slash, _ = text.partition("/")
        path = Path(self._begin + inside)
        label = composed(first) if slash else None
        return ImageRef(path, label=label, key=without_suffix(text))

    def __iter__(self) -> Iterator[ImageRef]:
        return (self[i] for i in range(len(self.inside)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def path(self, i: int) -> str:
        """Return the text of a file's path."""
        return self._begin + self.inside[i]

    @cached_property
    def stats(self) -> NDArray[np.int64]:
        """What `stats_of` says of each file (N, 4), as it was first asked for; -1 of those of which it says nothing."""
        found = np.full((len(self), 4), -1, np.int64)
        for i in range(len(self)):
            if (stats := stats_of(self.path(i))) is not None:
                found[i] = stats
        return found

    def taken(self, places: Sequence[int]) -> Files:
        """Return those at some places."""
        return Files(self.folder, [self.inside[i] for i in places])


def stats_of(path: str) -> tuple[int, int, int, int] | None:
    """Return size, times of the last change of content and of anything, and number of a file; None if it is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  (a path that is made counts, of a million)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


class Singles(Sequence[Row]):
    """Rows of one image each."""

    def __init__(self, refs: Sequence[ImageRef]) -> None:
        self.refs = refs

    def __len__(self) -> int:
        return len(self.refs)

    @overload
    def __getitem__(self, i: int) -> Row: ...

    @overload
    def __getitem__(self, i: slice) -> Singles: ...

    def __getitem__(self, i: int | slice) -> Row | Singles:
        return Singles(self.refs[i]) if isinstance(i, slice) else (self.refs[i],)

    def __iter__(self) -> Iterator[Row]:
        return ((ref,) for ref in self.refs)


def taken_rows(rows: Sequence[Row], places: Sequence[int]) -> Sequence[Row]:
    """Return the rows at some places."""
    if isinstance(rows, Singles):
        refs = rows.refs
        return Singles(refs.taken(places) if isinstance(refs, Files) else [refs[i] for i in places])
    return [rows[i] for i in places]


def column(rows: Sequence[Row], side: int) -> Sequence[ImageRef]:
    """Return the images of one side of rows."""
    return rows.refs if isinstance(rows, Singles) else [row[side] for row in rows]


def side_by_side(columns: Sequence[Sequence[ImageRef]]) -> Sequence[Row]:
    """Return rows of columns of equal length."""
    return Singles(columns[0]) if len(columns) == 1 else list(zip(*columns, strict=True))
