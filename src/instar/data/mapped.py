"""Images in a file that is mapped into memory. A file that was cut short meanwhile is an error, not a crash."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray

from instar.core.errors import UserError

Array = NDArray[Any]


class Mapped:
    """Images in the file's bytes. Before they are touched, the file is looked at: its system call takes 1 µs.

    To touch a page that the file no longer has ends the process with SIGBUS.
    """

    def __init__(
        self,
        bytes_of: Callable[[int], Array],
        pixels: Callable[[int, Array], Array],
        file: IO[bytes],
        size: int,
        path: Path,
    ) -> None:
        """Know the images.

        Args:
            bytes_of: returns a view of those of an image by its number.
            pixels: returns an image by its number and its bytes.
            file: that is mapped, which stays open.
            size: of the file.
            path: of the file.
        """
        self._bytes_of, self._pixels, self._file, self._size, self._path = bytes_of, pixels, file, size, path

    def __getitem__(self, i: int) -> Array:
        return self._pixels(i, self.stored(i))

    def stored(self, i: int) -> Array:
        """Return the bytes of an image."""
        if os.fstat(self._file.fileno()).st_size < self._size:
            raise UserError(
                f"{self._path}: the cache of images was cut short while it was in use; it will be made anew"
            )
        return self._bytes_of(i)
