"""Whether images go through the networks as a whole or in tiles, by the memory that there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instar.core.errors import UserError, setting
from instar.core.events import Listener, ignore, note
from instar.inference.tiles.sizes import Tile, check_tile

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from instar.inference.memory import Cost
    from instar.inference.tiles.whole import Translate

ALWAYS_FITS = 2**20
"""Pixels up to which nobody asks for the memory."""

SPARE = 1.2
"""Times the memory of all tensors: what allocators take beyond. Measured: see docs/translating.md."""


@dataclass(frozen=True)
class Fitting:
    """What to do with images that are large.

    Attributes:
        tile: side of the tiles of an image with more pixels; auto takes tiles where the memory is too small for the
            whole; None never does.
        on_event: told what tiles will take (`Noted`), and how far they are (`Worked`).
    """

    tile: Tile | None = None
    on_event: Listener = ignore

    def __post_init__(self) -> None:
        check_tile(self.tile)

    def one_by_one(self, height: int, width: int) -> bool:
        """Tell whether images of a size may be translated in tiles, which takes them one by one."""
        largest = self.tile**2 if isinstance(self.tile, int) else ALWAYS_FITS
        return self.tile is not None and height * width > largest


WHOLE = Fitting()
"""As a whole, if the memory is enough."""


def fitted(
    translate: Translate,
    x: Tensor,
    device: torch.device,
    cost: Callable[[], Cost],
    fitting: Fitting,
    image: str,
) -> Tensor:
    """Translate images as a whole or in tiles. The results are the same up to rounding.

    Args:
        translate: maps (N, C, H, W) on the device to the same shape.
        x: (N, C, H, W), on any device; one image where `fitting` says one by one.
        device: that computes.
        cost: measures what a pass takes for each pixel.
        fitting: what to do with large images.
        image: size of an image, for messages.

    Raises:
        UserError: there is too little memory, or disk; nothing was computed.
    """
    from instar.inference.memory import free_bytes  # noqa: PLC0415  (seconds of torch, which choosing can do without)
    from instar.inference.tiles.whole import gigabytes  # noqa: PLC0415

    tile, pixels = fitting.tile, x.shape[-2] * x.shape[-1]
    if isinstance(tile, int) and fitting.one_by_one(*x.shape[-2:]):
        return _in_tiles(translate, x, device, cost, fitting, image)
    if len(x) * pixels > ALWAYS_FITS:
        need, free = SPARE * cost().bytes * len(x) * pixels, free_bytes(device)
        if need > free and tile == "auto":
            return _in_tiles(translate, x, device, cost, fitting, image)
        if need > free:
            remedy = _remedy(translate, x, device)
            images = image if len(x) == 1 else f"{len(x)} images of {image}"
            raise UserError(
                f"{images} need about {gigabytes(need)} of memory, {gigabytes(free)} are free; set {remedy}"
            )
    return translate(x.to(device))


def _in_tiles(
    translate: Translate, x: Tensor, device: torch.device, cost: Callable[[], Cost], fitting: Fitting, image: str
) -> Tensor:
    from instar.inference.tiles.operations import NotLocal  # noqa: PLC0415
    from instar.inference.tiles.whole import planned, tiled, told  # noqa: PLC0415

    tile = fitting.tile or "auto"
    try:
        plan = planned(translate, x.cpu(), device, tile, image)
    except NotLocal as error:
        raise UserError(
            f"{setting('tile', tile)}: this method cannot be run in tiles, it needs {image} at once ({error}); set a "
            f"lower {setting('size')}"
        ) from error
    seconds = cost().seconds * x.shape[-2] * x.shape[-1]
    fitting.on_event(note(f"{image} {told(plan, seconds)}"))
    return tiled(translate, x.cpu(), device, plan, fitting.on_event)


def _remedy(translate: Translate, x: Tensor, device: torch.device) -> str:
    from instar.inference.tiles.operations import NotLocal  # noqa: PLC0415
    from instar.inference.tiles.whole import planned  # noqa: PLC0415

    lower = f"a lower {setting('size')}"
    try:
        planned(translate, x[:1].cpu(), device, "auto", "")
    except (NotLocal, UserError):
        return lower
    return f"{setting('tile', 'auto')}, or {lower}"
