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
from instar.data import digits
from instar.data.digits import Entry

Half = Literal["left", "right"]


@dataclass(frozen=True)
class ImageRef:
    """An image file, one within another, half of a file that holds a pair side by side, or an entry of digits."""

    path: File
    half: Half | None = None
    entry: Entry | None = None
    label: str | None = None
    """Name of its class, if it has one: the sub-folder of its domain in which it lies, or what the file says."""
    key: str = field(default="", compare=False)
    """What images of other domains must be called to be its partners: its path in the folder of its domain, less the
    suffix, or its number in a file of many images."""

    @property
    def name(self) -> str:
        """What a message calls it."""
        if self.entry:
            return f"{self.path} ({self.entry.array} {self.entry.number})"
        return f"{self.path} ({self.half} half)" if self.half else str(self.path)

    def read(self) -> Image.Image:
        """Decode it. Raises `UnreadableImage`."""
        with self.decoded() as image:
            return image

    @contextmanager
    def decoded(self) -> Iterator[Image.Image]:
        """Decode it as `instar.core.reading.decoded` does. Raises `UnreadableImage`."""
        if self.entry:
            yield Image.fromarray(self._digits(self.entry)[self.entry.number])
            return
        with reading.decoded(self.path) as image:
            left = image.width // 2 if self.half == "right" else 0
            yield image.crop((left, 0, left + image.width // 2, image.height)) if self.half else image

    def probe(self) -> tuple[int, int, bool]:
        """Return width, height and whether it is 16 bit, from the header. Raises `UnreadableImage`."""
        if self.entry:
            height, width = self._digits(self.entry).shape[1:3]
            return width, height, False
        width, height, wide = reading.probe(self.path)
        return (width // 2 if self.half else width), height, wide

    def _digits(self, entry: Entry) -> NDArray[np.uint8]:
        assert isinstance(self.path, Path)  # no member of another file
        return digits.pixels(self.path, entry.array)


Row = tuple[ImageRef, ...]
"""What is drawn at once: an image, or several that belong together and are decoded to one size."""
