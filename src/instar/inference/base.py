"""What is known of a trained model, whatever computes it, and how images of any kind go through it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from instar.core.abilities import Clustered, Styled, supports
from instar.core.batch import Domain
from instar.core.config import Precision, RunConfig
from instar.core.errors import UserError, call, setting
from instar.core.events import Listener, ignore
from instar.core.formats import DomainFormat
from instar.core.raster import Picture
from instar.inference.arrays import Planes
from instar.inference.batches import BATCH
from instar.inference.checks import Given, is_tensor, opened
from instar.inference.domains import Domains
from instar.inference.fitting import WHOLE, Fitting
from instar.inference.kinds import Options, translated_array, translated_images, translated_list
from instar.inference.padding import enlarged
from instar.inference.styles import Style, style_of_own_domain
from instar.inference.tiles.sizes import Tile, TileStatistics

if TYPE_CHECKING:
    from torch import Tensor

    from instar.inference.landmarks import Points


class BaseTranslator(ABC):
    """A trained model: translates images, and shows what else it knows of them.

    The whole image is translated at its own size: padded to what the network needs (by reflection), cropped back.
    Domains have the names of the training's folders. Threads may share one: a seed gives the same in any of them.

    Attributes:
        method: says what it can do (`core.abilities`) and which sizes it takes.
        config: settings of its run, or as much of them as is known.
        keys: its domains.
        precision: in which it computes, 32, or bf16: whole images go through the networks in bfloat16.
    """

    method: Any
    precision: Precision = "32"
    chosen: str = ""
    """Which precision was taken for auto, and why."""
    reads_windows = False
    """Whether large images can be translated window by window."""

    def __init__(self, config: RunConfig, keys: Domains) -> None:
        self.config, self.keys = config, keys

    @property
    def name(self) -> str:
        """Name of the method."""
        return self.config.name

    @property
    def channels(self) -> int:
        """Of the images that its networks take, on the way into the target domain."""
        return self.format_into(self.keys.target).channels

    def check_tile(self, tile: Tile | None) -> None:
        """Refuse tiles beside bfloat16: their statistics are those of the whole image only in float32."""
        if tile is not None and self.precision == "bf16":
            raise UserError(f"{setting('tile', tile)} and {setting('precision', 'bf16')}: give one of the two")

    def format_of(self, domain: Domain) -> DomainFormat:
        """Return what the images of a domain are, by its key."""
        return self.config.format_of(domain, tuple(self.keys.names))

    def format_into(self, to: Domain) -> DomainFormat:
        """Return what the images are that are translated into a domain, by its key."""
        return self.format_of(self.keys.opposite(to))

    @property
    def trained_at(self) -> int:
        """Side of the training crops in pixels."""
        return self.config.data.size

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the domains, the one that was translated from in training first."""
        return tuple(self.keys.names.values())

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the domains into which it translates."""
        return tuple(self.keys.names[key] for key in self.keys.targets)

    def domain(self, name: str | None, given_as: str = "to") -> Domain:
        """Return the method's key of a domain into which it translates.

        Args:
            name: in any case; A and B are the first and the second domain, unless domains have these names. None is the
                target of the training, and so is the number of a domain that the model found, which is a style in it.
            given_as: the setting, for the message.

        Raises:
            UserError: the model does not translate into it.
        """
        if not self.keys.targets:
            scored = call("evaluate", "RUN")
            raise UserError(f"{self.config.name} translates nothing: it names classes, which are scored with {scored}")
        if name is None or (name.isdecimal() and supports(self.method, Clustered)):
            return self.keys.target
        key = self.keys.key(name)
        if key is None or key not in self.keys.targets:
            raise UserError(f"{setting(given_as, name)}: this model translates to {self._reachable()}")
        return key

    def source_of(self, to: str | None) -> str:
        """Return the name of the domain whose images are translated into `to` where none is named."""
        return self.keys.names[self.keys.opposite(self.domain(to))]

    def own_domains(self) -> list[int]:
        """Return the numbers of the domains that the model found itself and that have images."""
        if not supports(self.method, Clustered):
            raise UserError(f"{self.name} has found no domains of its own")
        return [number for number, style in enumerate(self.domain_styles()) if style is not None]

    def working_size(self, height: int, width: int, size: int | None = None) -> tuple[int, int]:
        """Return height and width at which the networks work on an image: of a short side, or the only ones they take.

        Networks of a fixed size see the whole image, squeezed, as their authors do it.
        """
        if self.method.fixed_size:
            return self.method.fixed_size, self.method.fixed_size
        return enlarged(height, width, size)

    @property
    @abstractmethod
    def computes_on(self) -> str:
        """Kind of device: cpu, cuda or mps."""

    @property
    @abstractmethod
    def bytes(self) -> int:
        """Of its weights."""

    @property
    def style_size(self) -> int:
        """How many numbers a style has.

        Raises:
            UserError: the model has no styles.
        """
        if not supports(self.method, Styled):
            raise UserError(f"{self.name} has no styles: it has one translation for an image")
        return len(self.styles(1)[0])

    @abstractmethod
    def styles(self, count: int, *, seed: int = 0, to: str | None = None) -> Any:
        """Draw styles (count, S) of a domain, by its name; of the target of training if None.

        The first is the one that `translate` draws from this seed.
        """

    @abstractmethod
    def domain_styles(self) -> Sequence[Style | None]:
        """Return the mean style (S,) of each domain that the model found; None for one without images."""

    @abstractmethod
    def arrays(
        self,
        x: Planes,
        to: Domain,
        *,
        size: int | None = None,
        seed: int = 0,
        style: NDArray[np.float32] | None = None,
        fitting: Fitting = WHOLE,
        shape: tuple[int, int] | None = None,
    ) -> Planes:
        """Translate arrays in one pass, or in tiles.

        What an image becomes does not depend on the others of its batch: noise is drawn anew from `seed` for each.

        Args:
            x: (N, C, H, W) in [-1, 1], of any H and W, with as many channels as the networks take.
            to: key of a domain, from `domain`.
            size: short side to work at; the images' own if None.
            seed: of the model's noise or style.
            style: (S,) for all, or (N, S).
            fitting: what to do with images that are large.
            shape: height and width of the result; those of `x` if None.

        Returns:
            As `x`, but for the channels of the domain and the shape.

        Raises:
            UserError: there is too little memory; nothing was computed.
        """

    @abstractmethod
    def tensors(
        self,
        x: Tensor,
        to: Domain,
        *,
        size: int | None = None,
        seed: int = 0,
        style: Tensor | None = None,
        fitting: Fitting = WHOLE,
    ) -> Tensor:
        """Translate a tensor on any device as `arrays` does; shape, type and device stay."""

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
        if isinstance(image, np.ndarray):
            return translated_array(self, image, options)
        if is_tensor(image):
            from instar.inference.tensors import translated_tensor  # noqa: PLC0415  (seconds of torch, loaded here)

            return translated_tensor(self, image, options)
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

    def style_to(self, to: str | None) -> Any:
        """Return the mean style (S,) of a domain that the model found, by its number; None for other names.

        Raises:
            UserError: there is no such domain, or no image was in it.
        """
        return style_of_own_domain(self, to)

    @abstractmethod
    def style_of(self, reference: Given, to: str | None = None) -> Any:
        """Return the style (S,) of a picture of the domain translated into, at the size of the training."""

    @abstractmethod
    def cluster(self, image: Given) -> Any:
        """Return the probabilities (K,) of the domains that the model found, for an image at the size of training."""

    @abstractmethod
    def attention(self, image: Given, to: str | None = None) -> NDArray[np.float32]:
        """Return where the model looks in an image (W x H): an array (H, W) in [0, 1]."""

    @abstractmethod
    def between(self, image: Given, other: Given, to: str | None = None, *, count: int) -> list[Picture]:
        """Return `count` translations on the way from the code of one image to that of another, at the first's size."""

    @abstractmethod
    def landmarks(self, image: Given, of: str | None = None, *, size: int | None = None) -> Points:
        """Return the landmarks of an image.

        Args:
            image: of a domain.
            of: the domain's name; the source domain of training if None.
            size: as of `translate`.

        Returns:
            (K, 2), from the left and from the upper border in pixels of the image.
        """

    @abstractmethod
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

    def _reachable(self) -> str:
        names = " or ".join(self.targets)
        if not supports(self.method, Clustered):
            return names
        return f"{names}, and its own domains are {', '.join(map(str, self.own_domains())) or 'empty'}"
