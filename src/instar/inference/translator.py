"""A trained model as something to call: images of any kind and size in, the same kind and size out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from instar.core.events import Listener, ignore
from instar.core.raster import Picture
from instar.inference.attention import attention_map
from instar.inference.batches import BATCH
from instar.inference.checks import Given, check_equal_sizes, opened
from instar.inference.codes import translations_between
from instar.inference.fitting import Fitting
from instar.inference.kinds import (
    Options,
    translated_array,
    translated_images,
    translated_list,
    translated_tensor,
)
from instar.inference.landmarks import Points, drawn_with_moved_landmarks, found_landmarks
from instar.inference.model import Model
from instar.inference.styles import (
    Style,
    checked_style,
    domain_probabilities,
    drawn_styles,
    encoded_style,
    style_of_own_domain,
)
from instar.inference.tiles.sizes import Tile, TileStatistics


class Translator(Model):
    """A trained model: translates images, and shows what else it knows of them.

    The whole image is translated at its own size: padded to what the network needs (by reflection), cropped back.
    Domains have the names of the training's folders. Threads may share one: a seed gives the same in any of them.
    """

    @overload
    def translate(  # type: ignore[overload-overlap]  # a str is a sequence of str too, but here it is a path
        self,
        image: Given,
        to: str | None = None,
        *,
        size: int | None = None,
        seed: int = 0,
        style: Style | None = None,
        batch: int = BATCH,
        tile: Tile | None = None,
        tile_statistics: TileStatistics = "exact",
        on_event: Listener = ignore,
    ) -> Picture: ...
    @overload
    def translate(
        self,
        image: Sequence[Given],
        to: str | None = None,
        *,
        size: int | None = None,
        seed: int = 0,
        style: Style | None = None,
        batch: int = BATCH,
        tile: Tile | None = None,
        tile_statistics: TileStatistics = "exact",
        on_event: Listener = ignore,
    ) -> list[Picture]: ...
    @overload
    def translate(
        self,
        image: NDArray[Any],
        to: str | None = None,
        *,
        size: int | None = None,
        seed: int = 0,
        style: Style | None = None,
        batch: int = BATCH,
        tile: Tile | None = None,
        tile_statistics: TileStatistics = "exact",
        on_event: Listener = ignore,
    ) -> NDArray[Any]: ...
    @overload
    def translate(
        self,
        image: Tensor,
        to: str | None = None,
        *,
        size: int | None = None,
        seed: int = 0,
        style: Style | None = None,
        batch: int = BATCH,
        tile: Tile | None = None,
        tile_statistics: TileStatistics = "exact",
        on_event: Listener = ignore,
    ) -> Tensor: ...

    def translate(  # noqa: PLR0913  (one for each setting)
        self,
        image: Given | Sequence[Given] | NDArray[Any] | Tensor,
        to: str | None = None,
        *,
        size: int | None = None,
        seed: int = 0,
        style: Style | None = None,
        batch: int = BATCH,
        tile: Tile | None = None,
        tile_statistics: TileStatistics = "exact",
        on_event: Listener = ignore,
    ) -> Picture | list[Picture] | NDArray[Any] | Tensor:
        """Translate one image or many.

        Args:
            image: a PIL image of any mode, or the path of an image file; a list of them, of any sizes; a numpy array
                (H, W), (H, W, C) or (N, H, W, C), uint8 or uint16; or a float tensor (C, H, W) or (N, C, H, W) in
                [-1, 1].
            to: domain to translate into, by name; the target domain of training if None. For a model that found domains
                itself the number of one, whose mean style is taken.
            size: short side at which the network works; the result is resized back. The images' own size if None.
            seed: of the model's noise or style, if it has any. All images share one noise.
            style: from `styles` or `style_of`: (S,) for all images, or (N, S), one for each; drawn from `seed` if None.
            batch: most images of one size that go through the network together; fewer do where they are large.
            tile: translate images with more pixels than a square of this side in parts of so many, each norm with the
                statistics of the whole image: the result is that of the whole in little memory. "auto" does so where
                the memory is too small for the whole.
            tile_statistics: of norms in tiles: exact, or approximate: those of the image made smaller, in memory that
                does not grow with the image; how far the result is from the exact one is told.
            on_event: told what tiles will take (`Noted`), and how far an image is (`Worked`).

        Returns:
            The same kind, size, mode, type and batch shape as `image`; a PIL image for a path.

        Raises:
            UserError: the model has no such domain or no styles, a file cannot be read, a setting is out of bounds, or
                the memory is too small, of which one hears before anything is computed.
            ValueError: an array, a tensor or a style has the wrong shape, type or values.
            TypeError: `image` is nothing of the above.
        """
        chosen = self.style_to(to) if style is None else style
        options = Options(self.domain(to), size, seed, chosen, batch, Fitting(tile, on_event, tile_statistics))
        if isinstance(image, Tensor):
            return translated_tensor(self, image, options)
        if isinstance(image, np.ndarray):
            return translated_array(self, image, options)
        if isinstance(image, Sequence) and not isinstance(image, str):
            return translated_list(self, [opened(one) for one in image], options)
        return translated_list(self, [opened(image)], options)[0]

    def images(
        self,
        batch: Sequence[Picture],
        to: str | None = None,
        *,
        size: int | None = None,
        seed: int = 0,
        style: Style | None = None,
        tile: Tile | None = None,
        tile_statistics: TileStatistics = "exact",
        on_event: Listener = ignore,
    ) -> list[Picture]:
        """Translate PIL images of one size in one pass; everything else is as for `translate`."""
        fitting = Fitting(tile, on_event, tile_statistics)
        return translated_images(self, batch, Options(self.domain(to), size, seed, style, fitting=fitting))

    def styles(self, count: int, *, seed: int = 0) -> Tensor:
        """Draw styles (count, S). The first is the one that `translate` draws from this seed."""
        return drawn_styles(self, count, seed)

    def style_of(self, reference: Given, to: str | None = None) -> Tensor:
        """Return the style (S,) of a picture of the domain translated into, at the size of the training."""
        return encoded_style(self, opened(reference), self.domain(to))

    def style_to(self, to: str | None) -> Tensor | None:
        """Return the mean style (S,) of a domain that the model found, by its number; None for other names.

        Raises:
            UserError: there is no such domain, or no image was in it.
        """
        return style_of_own_domain(self, to)

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
        """Return the landmarks of an image.

        Args:
            image: of a domain.
            of: the domain's name; the source domain of training if None.
            size: as of `translate`.

        Returns:
            (K, 2), from the left and from the upper border in pixels of the image.
        """
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
        """Translate PIL images of one size with their landmarks moved.

        Args:
            batch: images of equal size.
            to: domain to draw in, by name; the target domain of training if None.
            by: (K, 2) or (N, K, 2), to the right and down, in half sides of the images.
            source: domain of the images; the other than `to` if None. If it is `to`, they are drawn anew.
            size: as of `translate`.
            style: (S,) or (N, S), appearances; each image's own if None.

        Returns:
            The images, and the landmarks (N, K, 2) that they are drawn from, as `landmarks` gives them.
        """
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
