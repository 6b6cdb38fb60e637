"""Between the frames of videos, which have no units, and the values of a model's domains."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instar.core.formats import DomainFormat
from instar.core.images import clipping_notes, eight_bit, to_array, to_values
from instar.core.raster import LUMA, Picture, Raster

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
"""Frames (H, W, 3) over the whole range of 8 or 16 bits."""


@dataclass(frozen=True)
class VideoValues:
    """Which values of the domains black and white of videos are.

    Attributes:
        given: what the model's inputs are.
        made: what its results are: their range goes from black to white.
        ends: values of the inputs that are black and white; those of their range if None.
        notes: in words what was clipped so far.
    """

    given: DomainFormat
    made: DomainFormat
    ends: tuple[float, float] | None = None
    notes: dict[str, None] = field(default_factory=dict)

    def to_domain(self, pixels: Pixels) -> Picture:
        """Return a frame as a picture of the inputs' domain: one with 8 or 16 bits where these are what it takes."""
        if self.ends is None and is_seen(self.given):
            return Image.fromarray(pixels) if pixels.dtype == np.uint8 else Raster(pixels)
        unit = pixels / np.float64(np.iinfo(pixels.dtype).max)
        if self.given.channels == 1:
            unit = unit @ np.array(LUMA)[:, None]
        low, high = np.array([self.ends] if self.ends else self.given.ranges).T
        found = Raster((low + unit * (high - low)).astype(np.float32))
        if self.ends:
            self.notes.update(dict.fromkeys(clipping_notes(found, self.given)))
        return found

    def to_video(self, picture: Picture, *, deep: bool) -> Pixels:
        """Return a picture of the results' domain as a frame with 8 bits, or with 16 if it is to be deep."""
        if not is_seen(self.made):
            found = to_values(picture, replace(self.made, channels=self.made.bands))
            top = 65535 if deep else 255
            scaled = np.rint((found + 1) / 2 * np.float32(top))
            frame: Pixels = np.repeat(scaled, 3 // scaled.shape[2], axis=2).astype(np.uint16 if deep else np.uint8)
            return frame
        return _in_16_bits(picture) if deep else eight_bit(picture)


def is_seen(form: DomainFormat) -> bool:
    """Tell whether images of a domain are gray or colour over the whole range of their type, as those of videos."""
    return form.plain or (form.whole_type and form.bands in (1, 3) and not form.inverted)


def _in_16_bits(picture: Picture) -> NDArray[np.uint16]:
    pixels: NDArray[Any] = to_array(picture, 3)
    return pixels.astype(np.uint16) * np.uint16(257) if pixels.dtype == np.uint8 else pixels.astype(np.uint16)
