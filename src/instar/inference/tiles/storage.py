"""Features of a whole image, kept in memory as far as there is room and on disk beyond."""

from __future__ import annotations

import tempfile
import weakref
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Space:
    """Where features may be kept, and how much of it is taken.

    Attributes:
        memory: most bytes of memory; what is beyond goes to files in the folder for temporary files.
        in_memory: bytes in memory now.
        on_disk: bytes on disk now.
        most_in_memory: the most that there were at a time.
        most_on_disk: the most that there were at a time.
    """

    memory: int
    in_memory: int = 0
    on_disk: int = 0
    most_in_memory: int = 0
    most_on_disk: int = 0

    def fits(self, size: int) -> bool:
        """Tell whether so many bytes would be kept in memory."""
        return self.in_memory + size <= self.memory

    def take(self, size: int) -> bool:
        """Count what is to be kept, and return whether that is in memory."""
        fits = self.fits(size)
        if fits:
            self.in_memory += size
        else:
            self.on_disk += size
        self.most_in_memory = max(self.most_in_memory, self.in_memory)
        self.most_on_disk = max(self.most_on_disk, self.on_disk)
        return fits

    def give(self, size: int, in_memory: bool) -> None:
        """Count off what is kept no longer."""
        if in_memory:
            self.in_memory -= size
        else:
            self.on_disk -= size


class Storage:
    """Features (C, H, W) that are written once and read in strips of rows. It ends with its last reference.

    They lie row by row, each with all its channels, so that a strip is one piece of the file.
    """

    def __init__(self, shape: tuple[int, int, int], dtype: torch.dtype, space: Space, *, empty: bool = False) -> None:
        """Make room.

        Args:
            shape: (C, H, W).
            dtype: of the features.
            space: counts them.
            empty: only count.
        """
        channels, height, width = shape
        self.row = (channels, width)
        self.dtype = dtype
        self.row_bytes = channels * width * dtype.itemsize
        size = height * self.row_bytes
        in_memory = space.take(size)
        weakref.finalize(self, space.give, size, in_memory)
        self._rows = torch.empty((height, *self.row) if in_memory and not empty else (0,), dtype=dtype)
        on_disk = not in_memory and not empty
        self._file = tempfile.TemporaryFile(prefix="instar-", buffering=0) if on_disk else None  # noqa: SIM115 (stays open)

    def write(self, first: int, strip: Tensor) -> None:
        """Keep rows `first` and following: (C, rows, W), on any device."""
        rows = strip.transpose(0, 1)
        if self._file is None:
            self._rows[first : first + len(rows)] = rows
            return
        self._file.seek(first * self.row_bytes)
        left = _bytes(rows.cpu().contiguous())
        while left:
            left = left[self._file.write(left) :]

    def read(self, first: int, last: int) -> Tensor:
        """Return rows `first` to `last` - 1 as a new tensor (C, rows, W)."""
        if self._file is None:
            return self._rows[first:last].transpose(0, 1).contiguous()
        rows = torch.empty((last - first, *self.row), dtype=self.dtype)
        self._file.seek(first * self.row_bytes)
        left = _bytes(rows)
        while left:
            left = left[self._file.readinto(left) :]
        return rows.transpose(0, 1).contiguous()


def _bytes(x: Tensor) -> memoryview:
    return memoryview(x.view(-1).view(torch.uint8).numpy())  # type: ignore[arg-type]
