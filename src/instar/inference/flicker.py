"""How much neighbouring frames of a video differ, beside the same of its input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
STILL = 2
"""Grey levels by which no channel of a pixel that stands still changes: what codecs and sensors do to it."""


class Flicker:
    """Mean absolute differences of neighbouring frames in grey levels of 0 to 255, gathered frame by frame.

    What moves differs too; so each is to be seen beside that of the input. Where the input stands still, all that
    differs in the output is flicker.
    """

    def __init__(self) -> None:
        self._last: tuple[Pixels, Pixels] | None = None
        self._input, self._output, self._frames = 0.0, 0.0, 0
        self._still, self._still_pixels = 0.0, 0

    def add(self, given: Pixels, made: Pixels) -> None:
        """Add a frame (H, W, 3) and its translation."""
        if self._last is not None:
            before, after = (
                np.abs(now.astype(np.int16) - then) for now, then in zip((given, made), self._last, strict=True)
            )
            still = (before <= STILL).all(2)
            self._input += float(before.mean())
            self._output += float(after.mean())
            self._still += float(after[still].sum()) / 3
            self._still_pixels += int(still.sum())
            self._frames += 1
        self._last = given, made

    @property
    def input(self) -> float:
        """Of the input."""
        return self._input / max(self._frames, 1)

    @property
    def output(self) -> float:
        """Of the translation."""
        return self._output / max(self._frames, 1)

    @property
    def still(self) -> float | None:
        """Of the translation where the input stands still; None if nothing does."""
        return self._still / self._still_pixels if self._still_pixels else None

    def rounded(self) -> dict[str, float | None]:
        """Return the three numbers."""
        still = None if self.still is None else round(self.still, 3)
        return {"input": round(self.input, 3), "output": round(self.output, 3), "still": still}

    def __str__(self) -> str:
        where = "" if self.still is None else f", {self.still:.2f} where the input stands still"
        return f"neighbouring frames differ by {self.output:.2f} of 255, those of the input by {self.input:.2f}{where}"
