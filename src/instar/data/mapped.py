"""Images in a file that is mapped into memory. A file that was cut short meanwhile is an error, not a crash."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, overload

from numpy.typing import NDArray

from instar.core.errors import UserError

Array = NDArray[Any]


class Mapped(Sequence[Array]):
    """Views of the file's bytes. Before one is given away, the file is looked at: its system call takes 1 µs.

    To touch a page that the file no longer has ends the process with SIGBUS.
    """

    def __init__(self, images: list[Array], file: IO[bytes], nbytes: int, path: Path) -> None:
        """Take views of the first `nbytes` of a file, which stays open."""
        self._images, self._file, self._nbytes, self._path = images, file, nbytes, path

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, i: int) -> Array: ...

    @overload
    def __getitem__(self, i: slice) -> list[Array]: ...

    def __getitem__(self, i: int | slice) -> Array | list[Array]:
        if os.fstat(self._file.fileno()).st_size < self._nbytes:
            raise UserError(
                f"{self._path}: the cache of images was cut short while it was in use; it will be made anew"
            )
        return self._images[i]
