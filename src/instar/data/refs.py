"""One image of a data set, not read yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instar.core import reading
from instar.core.member import File
from instar.core.raster import Header, Picture
from instar.data import digits
from instar.data.digits import Entry

Half = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image file, one within another, half of a file that holds a pair, an entry of digits, or a page."""

    path: File
    half: Half | None = None
    entry: Entry | None = None
    page: int | None = None
    """Number of its page in the file, from 0; the first if None."""
    label: str | None = None
    """Name of its class, if it has one: the sub-folder of its domain in which it lies, or what the file says."""
    key: str = field(default="", compare=False)
    """What images of other domains must be called to be its partners: its path in the folder of its domain, less the
    suffix, or its number in a file of many images."""
    masks: tuple[ImageRef, ...] = field(default=(), compare=False)
    """Images of its size that are white where it counts, where it or a partner in its row has some."""

    @property
    def name(self) -> str:
        """What a message calls it."""
        if self.entry:
            return f"{self.path} ({self.entry.array} {self.entry.number})"
        page = "" if self.page is None else f"page {self.page + 1}"
        parts = ", ".join(filter(None, (f"{self.half} half" if self.half else "", page)))
        return f"{self.path} ({parts})" if parts else str(self.path)

    def read(self) -> Picture:
        """Decode it. Raises `UnreadableImage`."""
        with self.decoded() as image:
            return image

    @contextmanager
    def decoded(self) -> Iterator[Picture]:
        """Decode it as `instar.core.reading.decoded` does. Raises `UnreadableImage`."""
        if self.entry:
            yield Image.fromarray(self._digits(self.entry)[self.entry.number])
            return
        with reading.decoded(self.path, self.page) as image:
            left = image.width // 2 if self.half == "right" else 0
            yield image.crop((left, 0, left + image.width // 2, image.height)) if self.half else image

    def probe(self) -> Header:
        """Return what its header says. Raises `UnreadableImage`."""
        if self.entry:
            height, width, *bands = self._digits(self.entry).shape[1:]
            return Header(width, height, bands=bands[0] if bands else 1)
        header = reading.probe(self.path, self.page)
        return header._replace(width=header.width // 2) if self.half else header

    def _digits(self, entry: Entry) -> NDArray[np.uint8]:
        assert isinstance(self.path, Path)  # no member of another file
        return digits.pixels(self.path, entry.array)


Row = tuple[ImageRef, ...]
"""What is drawn at once: an image, or several that belong together and are decoded to one size."""
