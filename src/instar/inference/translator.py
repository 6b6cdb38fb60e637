"""A trained model as something to call: images of any kind and size in, the same kind and size out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from instar.core.raster import Picture
from instar.inference.attention import attention_map
from instar.inference.checks import Given, check_equal_sizes, opened
from instar.inference.codes import translations_between
from instar.inference.encoding import domain_probabilities, drawn_styles, encoded_style
from instar.inference.landmarks import Points, drawn_with_moved_landmarks, found_landmarks
from instar.inference.model import Model
from instar.inference.styles import Style, checked_style


class Translator(Model):
    """A trained model with all that its networks know of images."""

    def styles(self, count: int, *, seed: int = 0, to: str | None = None) -> Tensor:
        """Draw styles (count, S) of a domain. The first is the one that `translate` draws from this seed."""
        return drawn_styles(self, count, seed, self.domain(to))

    def style_of(self, reference: Given, to: str | None = None) -> Tensor:
        """Return the style (S,) of a picture of the domain translated into, at the size of the training."""
        return encoded_style(self, opened(reference), self.domain(to))

    def cluster(self, image: Given) -> Tensor:
        """Return the probabilities (K,) of the domains that the model found, for an image at the size of training."""
        return domain_probabilities(self, opened(image))

    def attention(self, image: Given, to: str | None = None) -> NDArray[np.float32]:
        """Return where the model looks in an image (W x H): an array (H, W) in [0, 1]."""
        return attention_map(self, opened(image), self.domain(to))

    def between(self, image: Given, other: Given, to: str | None = None, *, count: int) -> list[Picture]:
        """Return `count` translations on the way from the code of one image to that of another, at the first's size."""
        return translations_between(self, opened(image), opened(other), self.domain(to), count)

    def landmarks(self, image: Given, of: str | None = None, *, size: int | None = None) -> Points:
        """Return the landmarks (K, 2) of an image, in its pixels; see `BaseTranslator`."""
        domain = self.keys.source if of is None else self.domain(of, "of")
        return found_landmarks(self, opened(image), domain, size)

    def moved(
        self,
        batch: Sequence[Picture],
        to: str | None = None,
        by: NDArray[np.float32] | float = 0.0,
        *,
        source: str | None = None,
        size: int | None = None,
        style: Style | None = None,
    ) -> tuple[list[Picture], Points]:
        """Translate PIL images of one size with their landmarks moved; see `BaseTranslator`."""
        check_equal_sizes(batch)
        return drawn_with_moved_landmarks(
            self,
            batch,
            self.domain(to),
            by,
            source=None if source is None else self.domain(source, "source"),
            size=size,
            style=None if style is None else checked_style(self, style, len(batch)),
        )
