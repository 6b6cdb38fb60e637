"""What becomes of an image, and how it is written: a picture, or a strip of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from PIL import Image

from instar.core.files import temporary_beside
from instar.core.images import save
from instar.core.metadata import saved_with
from instar.core.modes import fit_for
from instar.core.raster import Picture
from instar.core.stack import Stack, save_all

FRAME_MS = 120
"""Of an animation."""


class Result(Protocol):
    """Something to write for one input."""

    def save(self, path: Path) -> tuple[str, ...]:
        """Write it at `path`, whole or not at all.

        Returns:
            what the file cannot hold of it, in words.

        Raises:
            UserError: it cannot be written.
        """

    def rows(self, file: str) -> Iterable[Sequence[object]]:
        """Return the rows for an input file of the table that all results share."""


@dataclass(frozen=True)
class Single:
    """An image, in the format of its file's suffix."""

    image: Picture

    def save(self, path: Path) -> tuple[str, ...]:
        """Write the image, in a mode that the format holds."""
        image, words = fit_for(self.image, path)
        save(image, path)
        return *words, *saved_with(image, path)[1]

    def rows(self, file: str) -> Iterable[Sequence[object]]:
        """Return nothing."""
        return ()


@dataclass(frozen=True)
class Paged:
    """The pages of a result, in one file of the format of its suffix."""

    stack: Stack

    def save(self, path: Path) -> tuple[str, ...]:
        """Write all pages, each in a mode that the format holds."""
        fitted = [fit_for(page, path) for page in self.stack.pages]
        # Frames of a GIF are colours when they are read, and a palette again here: nothing is lost.
        words = () if path.suffix.lower() == ".gif" else dict.fromkeys(word for _, said in fitted for word in said)
        pages = tuple(page for page, _ in fitted)
        save_all(replace(self.stack, pages=pages), path)
        return *words, *saved_with(pages[0], path)[1]

    def rows(self, file: str) -> Iterable[Sequence[object]]:
        """Return nothing."""
        return ()


@dataclass(frozen=True)
class Film:
    """Pictures of one size on the way from one translation to another."""

    frames: list[Image.Image]

    def save(self, path: Path) -> tuple[str, ...]:
        """Write the frames side by side at `path`, and moving, there and back, beside it as a GIF."""
        width, height = self.frames[0].size
        strip = Image.new("RGB", (width * len(self.frames), height))
        for i, frame in enumerate(self.frames):
            strip.paste(frame, (i * width, 0))
        save(strip, path)
        first, *others = self.frames + self.frames[-2:0:-1]
        part = temporary_beside(path)
        try:
            first.save(part, format="GIF", save_all=True, append_images=others, duration=FRAME_MS, loop=0)
            part.replace(path.with_suffix(".gif"))
        finally:
            part.unlink(missing_ok=True)
        return ()

    def rows(self, file: str) -> Iterable[Sequence[object]]:
        """Return nothing."""
        return ()
