"""Images in a file that is mapped into memory. A file that was cut short meanwhile is an error, not a crash."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, overload

from numpy.typing import NDArray

from instar.core.errors import UserError

Array = NDArray[Any]


class Mapped(Sequence[Array]):
    """Views of the file's bytes. Before one is given away, the file is looked at: its system call takes 1 µs.

    To touch a page that the file no longer has ends the process with SIGBUS.
    """

    def __init__(self, view: Callable[[int], Array], count: int, file: IO[bytes], nbytes: int, path: Path) -> None:
        """Take `count` views, each made when it is asked for, of the first `nbytes` of a file, which stays open."""
        self._view, self._count, self._file, self._nbytes, self._path = view, count, file, nbytes, path

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, i: int) -> Array: ...

    @overload
    def __getitem__(self, i: slice) -> list[Array]: ...

    def __getitem__(self, i: int | slice) -> Array | list[Array]:
        if os.fstat(self._file.fileno()).st_size < self._nbytes:
            raise UserError(
                f"{self._path}: the cache of images was cut short while it was in use; it will be made anew"
            )
        if isinstance(i, slice):
            return [self._view(one) for one in range(*i.indices(self._count))]
        if not 0 <= i < self._count:
            raise IndexError(i)
        return self._view(i)
