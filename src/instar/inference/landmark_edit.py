"""Landmarks moved as a request for a translation of files says."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from instar.core.errors import UserError, setting
from instar.core.formats import DomainFormat
from instar.core.raster import Picture
from instar.inference.base import BaseTranslator
from instar.inference.landmarks import Points
from instar.inference.request import TranslationRequest
from instar.inference.styles import Style


@dataclass(frozen=True)
class LandmarkEdit:
    """Drawing from landmarks that are known, and may be moved.

    Attributes:
        model: what draws.
        to: name of the domain to draw in; the target of the training if None.
        source: name of the inputs' domain.
        by: how far each landmark moves to the right and down in half sides, (K, 2).
        size: short side to work at; the images' own if None.
    """

    model: BaseTranslator
    to: str | None
    source: str
    by: Points
    size: int | None

    @classmethod
    def of(cls, request: TranslationRequest, model: BaseTranslator) -> LandmarkEdit:
        """Return what the settings `source`, `move` and `size` say.

        Raises:
            UserError: there is no such domain or landmark, or a move says nothing.
        """
        source = request.source or model.source_of(request.domain)
        model.domain(source, "source")
        count = len(model.landmarks(Image.new("RGB", (32, 32))))
        return cls(model, request.domain, source, moves(request.move, count), request.size)

    @property
    def given_format(self) -> DomainFormat:
        """What the inputs are."""
        return self.model.format_of(self.model.domain(self.source))

    @property
    def drawn_format(self) -> DomainFormat:
        """What is drawn."""
        return self.model.format_of(self.model.domain(self.to))

    def images(self, batch: list[Picture], *, style: Style | None = None) -> list[Picture]:
        """Draw images of one size."""
        return self.draw(batch, self.by, style)[0]

    def draw(self, batch: list[Picture], by: Points, style: Style | None) -> tuple[list[Picture], Points]:
        """Draw images of one size with landmarks moved by (K, 2) or (N, K, 2), and return their landmarks too."""
        return self.model.moved(batch, self.to, by, source=self.source, size=self.size, style=style)

    def find(self, image: Picture) -> Points:
        """Return the landmarks (K, 2) of an image of the inputs' domain."""
        return self.model.landmarks(image, self.source, size=self.size)


def moves(texts: Sequence[str], count: int) -> Points:
    """Return by how much each of `count` landmarks is to move, (count, 2) to the right and down in half sides.

    Args:
        texts: such as 7:+0.1,-0.05.
        count: the model's landmarks.

    Raises:
        UserError: a text says nothing, or a landmark is not there or named twice.
    """
    by = np.zeros((count, 2), np.float32)
    seen = set()
    for text in texts:
        number, right, down = _parsed(text)
        if number >= count:
            raise UserError(f"{setting('move', text)}: this model has landmarks 0 to {count - 1}")
        if number in seen:
            raise UserError(f"{setting('move', text)}: landmark {number} is moved twice; give one move for each")
        seen.add(number)
        by[number] = right, down
    return by


def _parsed(text: str) -> tuple[int, float, float]:
    found = re.fullmatch(r"(\d+):([^,]+),([^,]+)", text)
    try:
        number, right, down = int(found[1]), float(found[2]), float(found[3])  # type: ignore[index]
    except (TypeError, ValueError):
        number, right, down = 0, math.nan, math.nan
    if not math.isfinite(right + down):
        wanted = "give NUMBER:RIGHT,DOWN in half sides of the image, such as 7:+0.1,-0.05"
        raise UserError(f"{setting('move', text)}: {wanted}")
    return number, right, down
