"""Whether images go through the networks as a whole or in tiles, by the memory that there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instar.core.errors import UserError, setting
from instar.core.events import Listener, ignore, note
from instar.core.memory import freed_memory_given_back
from instar.inference.tiles.sizes import Tile, TileStatistics, check_tile

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from instar.inference.memory import Cost
    from instar.inference.tiles.operations import Translate
    from instar.inference.tiles.pixels import Source, Target

ALWAYS_FITS = 2**20
"""Pixels up to which nobody asks for the memory."""

PIXEL_BYTES = 30
"""Of an image that is in memory as a whole, as pixels and as numbers, and its translation."""
SPARE_IN_PARTS = 2.0
"""The same of the parts of approximate tiles, where norms and activations hold more at a time: measured as well."""
SPARE = 1.2
"""Times the memory of all tensors: what allocators take beyond. Measured: see docs/translating.md."""


@dataclass(frozen=True)
class Fitting:
    """What to do with images that are large.

    Attributes:
        tile: side of the tiles of an image with more pixels; auto takes tiles where the memory is too small for the
            whole; None never does.
        on_event: told what tiles will take (`Noted`), and how far they are (`Worked`).
        statistics: of norms in tiles.
    """

    tile: Tile | None = None
    on_event: Listener = ignore
    statistics: TileStatistics = "exact"

    def __post_init__(self) -> None:
        check_tile(self.tile, self.statistics)

    def one_by_one(self, height: int, width: int) -> bool:
        """Tell whether images of a size may be translated in tiles, which takes them one by one."""
        largest = self.tile**2 if isinstance(self.tile, int) else ALWAYS_FITS
        return self.tile is not None and height * width > largest


WHOLE = Fitting()
"""As a whole, if the memory is enough."""


@dataclass(frozen=True)
class Pass:
    """A way through the networks.

    Attributes:
        translate: maps (N, C, H, W) on the device to (N, D, H, W).
        device: that computes.
        cost: measures what a pass takes for each pixel.
        step: H and W are multiples of it.
    """

    translate: Translate
    device: torch.device
    cost: Callable[[], Cost]
    step: int

    def needed(self, pixels: int) -> float:
        """Return the bytes that so many pixels take as a whole, without asking for few."""
        return SPARE * self.cost().bytes * pixels if pixels > ALWAYS_FITS else 0.0


def fitted(way: Pass, x: Tensor, fitting: Fitting, image: str) -> Tensor:
    """Translate images as a whole or in tiles. The results are the same up to rounding, with exact statistics.

    Args:
        way: through the networks.
        x: (N, C, H, W), on any device; one image where `fitting` says one by one.
        fitting: what to do with large images.
        image: size of an image, for messages.

    Raises:
        UserError: there is too little memory, or disk; nothing was computed.
    """
    from instar.inference.tiles.pixels import Collected, Held  # noqa: PLC0415  (seconds of torch, which choosing can do without)

    pixels = x.shape[-2] * x.shape[-1]
    if fits(way, len(x) * pixels, fitting):
        return way.translate(x.to(way.device))
    if fitting.tile is None:
        from instar.inference.memory import free_bytes  # noqa: PLC0415
        from instar.inference.tiles.whole import gigabytes  # noqa: PLC0415

        need, free = gigabytes(way.needed(len(x) * pixels)), gigabytes(free_bytes(way.device))
        images = image if len(x) == 1 else f"{len(x)} images of {image}"
        raise UserError(f"{images} need about {need} of memory, {free} are free; set {_remedy(way, x)}")
    collected = Collected(x.shape[-2], x.shape[-1])
    in_tiles(way, Held(x.cpu()), fitting, image, collected)
    return collected.tensor()


def fits(way: Pass, pixels: int, fitting: Fitting) -> bool:
    """Tell whether so many pixels go through the networks as a whole: no tiles are asked for, or needed."""
    from instar.inference.memory import free_bytes  # noqa: PLC0415

    if isinstance(fitting.tile, int) and fitting.one_by_one(pixels, 1):
        return False
    need = way.needed(pixels)
    return not need or need <= free_bytes(way.device)  # asking gives back what is kept for the next image


def in_tiles(way: Pass, source: Source, fitting: Fitting, image: str, target: Target) -> None:
    """Translate an image in tiles.

    Args:
        way: through the networks.
        source: the image, with sides that are multiples of the step.
        fitting: what to do with large images.
        image: its size, for messages.
        target: takes the parts of the result.

    Raises:
        UserError: the method cannot be run in tiles, or there is too little memory, or disk; nothing was computed.
    """
    from instar.inference.tiles.operations import NotLocal  # noqa: PLC0415
    from instar.inference.tiles.whole import planned, tiled, told  # noqa: PLC0415

    tile, hear = fitting.tile or "auto", fitting.on_event
    with freed_memory_given_back():
        try:
            if fitting.statistics == "approximate":
                _approximate(way, source, fitting, tile, image, target)
                return
            plan = planned(way.translate, source, way.device, tile, image)
        except NotLocal as error:
            raise UserError(
                f"{setting('tile', tile)}: this method cannot be run in tiles, it needs {image} at once ({error}); set "
                f"a lower {setting('size')}"
            ) from error
        seconds = way.cost().seconds * source.shape[-2] * source.shape[-1]
        hear(note(f"{image} {told(plan, seconds, _held(source))}"))
        tiled(way.translate, source, way.device, plan, target, hear)


def _held(source: Source) -> int:
    """Return the bytes of the pixels themselves, in and out, where they are in memory as a whole."""
    from instar.inference.tiles.pixels import Held  # noqa: PLC0415

    return PIXEL_BYTES * source.shape[-2] * source.shape[-1] if isinstance(source, Held) else 0


def _approximate(way: Pass, source: Source, fitting: Fitting, tile: Tile, image: str, target: Target) -> None:
    from instar.inference.tiles.approximate import approximate_plan, approximate_told, approximated  # noqa: PLC0415

    cost, hear = way.cost(), fitting.on_event
    each = SPARE_IN_PARTS * cost.bytes
    plan = approximate_plan(way.translate, source, way.device, way.step, tile, each, image)
    hear(note(f"{image} {approximate_told(plan, each, cost.seconds, _held(source))}"))
    approximated(
        way.translate, source, way.device, plan, target, lambda found: hear(note(f"{image}: {found.told()}")), hear
    )


def _remedy(way: Pass, x: Tensor) -> str:
    from instar.inference.tiles.operations import NotLocal  # noqa: PLC0415
    from instar.inference.tiles.pixels import Held  # noqa: PLC0415
    from instar.inference.tiles.whole import planned  # noqa: PLC0415

    lower = f"a lower {setting('size')}"
    try:
        planned(way.translate, Held(x[:1].cpu()), way.device, "auto", "")
    except (NotLocal, UserError):
        return lower
    return f"{setting('tile', 'auto')}, or {lower}"
