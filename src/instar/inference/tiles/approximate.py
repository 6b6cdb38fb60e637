"""Translating an image of any size in squares that need nothing of each other: memory does not grow with the image.

Norms take their statistics from the image made smaller. Everything else is as in the whole image: each square is
computed with as much around it as its pixels depend on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from instar.core.errors import UserError, setting
from instar.core.events import Listener, Worked, ignore
from instar.inference.memory import free_bytes
from instar.inference.padding import resized
from instar.inference.tiles.operations import Translate
from instar.inference.tiles.parts import Recorded, Replayed, run
from instar.inference.tiles.pixels import SMALLEST_PART, Box, Source, Target, all_of, boxes, shrunk
from instar.inference.tiles.reach import reach
from instar.inference.tiles.sizes import LARGEST_TILE, SMALLEST_TILE, TILES, Tile
from instar.inference.tiles.whole import duration, gigabytes

SMALLER = 2**20
"""Most pixels of the smaller image."""
COMPARED = 2**19
"""Most pixels of the part on which approximate and exact statistics are compared."""
FEWEST = 2**16
"""Of both, where memory is short."""
SLOWER = 1.3
"""Times the seconds that a pass takes for so many pixels as a whole: measured, see docs/translating.md."""


@dataclass(frozen=True)
class ApproximatePlan:
    """What a translation in squares will take.

    Attributes:
        side: of the squares.
        around: pixels on each side of a square that it depends on.
        step: multiple at which parts begin.
        factor: by which the image is made smaller for the statistics.
        compared: most pixels of the part on which approximate and exact statistics are compared.
        largest: pixels of the largest pass.
        computed: pixels of all passes.
        tiles: how many squares there are.
    """

    side: int
    around: int
    step: int
    factor: int
    compared: int
    largest: int
    computed: int
    tiles: int


@dataclass(frozen=True)
class Difference:
    """How far approximate results are from exact ones, in grey levels of 255.

    Attributes:
        part: of the image, on which both were computed.
        mean: over pixels and channels.
        largest: over pixels and channels.
        exact: whether there are no statistics, so that there is no difference anywhere.
    """

    part: Box
    mean: float
    largest: float
    exact: bool

    def told(self) -> str:
        """Return it as a line."""
        if self.exact:
            return "tiles are exact: this network takes no statistics of the image"
        where = f"{self.part.width} x {self.part.height} px from {self.part.left}, {self.part.top}"
        return (
            f"approximate statistics: on {where} the result differs from that of exact ones by {self.mean:.2f} of 255 "
            f"grey levels on average, {self.largest:.1f} at most"
        )


def approximate_plan(
    translate: Translate, source: Source, device: torch.device, step: int, tile: Tile, pixel_bytes: float, image: str
) -> ApproximatePlan:
    """Return what `approximated` will take.

    Args:
        translate: maps (1, C, H, W) on the device to (1, D, H, W).
        source: the image; H and W are multiples of `step`.
        device: that computes.
        step: multiple that sides must be.
        tile: what is asked for.
        pixel_bytes: that a pass takes for each pixel.
        image: its size, for messages.

    Raises:
        NotLocal: the method does something with whole images that squares cannot do.
        UserError: it takes more memory than there is.
    """
    whole, free = all_of(source), free_bytes(device)
    around = reach(translate, source.shape[1], step, device)
    side = LARGEST_TILE if tile == "auto" else tile
    while True:
        plan = _plan(whole, max(side // step, 1) * step, around, step, free / 2 / pixel_bytes)
        need = plan.largest * pixel_bytes
        if tile != "auto" or need < free / 2 or side <= SMALLEST_TILE:
            break
        side //= 2
    if need > free:
        raise UserError(
            f"{image} in tiles of {plan.side} px need about {gigabytes(need)} of memory, {gigabytes(free)} are free; "
            f"set a smaller {setting('tile')} or a lower {setting('size')}"
        )
    return plan


def approximate_told(plan: ApproximatePlan, pixel_bytes: float, pixel_seconds: float) -> str:
    """Return what a translation will take."""
    memory, time = gigabytes(plan.largest * pixel_bytes), duration(plan.computed * pixel_seconds * SLOWER)
    seen = f"with {plan.around} px around each, statistics of the image made {plan.factor} times smaller"
    return f"in tiles of {plan.side} px, {seen}: about {memory} of memory, and {time}"


def approximated(
    translate: Translate,
    source: Source,
    device: torch.device,
    plan: ApproximatePlan,
    target: Target,
    tell: Callable[[Difference], None],
    on_event: Listener = ignore,
) -> None:
    """Translate an image in squares.

    Args:
        translate: as of `approximate_plan`.
        source: as of `approximate_plan`.
        device: that computes.
        plan: from `approximate_plan`.
        target: takes each square.
        tell: told how far the result is from that of exact statistics, before the first square.
        on_event: told of each square.
    """
    on_event(Worked(TILES, 0, plan.tiles))
    whole = all_of(source)
    smaller = shrunk(source, plan.factor) if plan.factor == 1 else _stepped(shrunk(source, plan.factor), plan.step)
    recorded = Recorded(device, smaller.shape[-2], smaller.shape[-1], whole.pixels)
    run(translate, smaller, recorded)
    tell(_difference(translate, source, device, plan, _liveliest(smaller, whole, plan), bool(recorded.found)))
    for done, box in enumerate(boxes(whole, plan.side), 1):
        part = box.grown(plan.around, whole, plan.step)
        out = run(translate, source.window(part), Replayed(device, part, whole, recorded.found))
        target(box, box.within(part).of(out).cpu())
        on_event(Worked(TILES, done, plan.tiles))


def _plan(whole: Box, side: int, around: int, step: int, affordable: float) -> ApproximatePlan:
    """Return the plan for a side of the squares, with no more than so many pixels in other passes, if that may be."""
    parts = [box.grown(around, whole, step).pixels for box in boxes(whole, side)]
    most, compared = (max(min(one, int(affordable)), FEWEST) for one in (SMALLER, COMPARED))
    factor = math.ceil(math.sqrt(max(whole.pixels / most, 1)))
    compared = min(compared, whole.pixels)
    passes = [*parts, whole.pixels // factor**2, compared, compared, compared // factor**2]
    return ApproximatePlan(side, around, step, factor, compared, max(passes), sum(passes), len(parts))


def _difference(
    translate: Translate, source: Source, device: torch.device, plan: ApproximatePlan, part: Box, statistics: bool
) -> Difference:
    """Translate a part as if it were an image, with its own statistics and with those of itself made smaller."""
    if not statistics:
        return Difference(part, 0.0, 0.0, exact=True)
    x = source.window(part)
    alone = Box(0, 0, part.height, part.width)
    exact = run(translate, x, Recorded(device, part.height, part.width, part.pixels))
    smaller = x if plan.factor == 1 else _stepped(torch.nn.functional.avg_pool2d(x, plan.factor), plan.step)
    recorded = Recorded(device, smaller.shape[-2], smaller.shape[-1], part.pixels)
    run(translate, smaller, recorded)
    levels = 127.5 * (run(translate, x, Replayed(device, alone, alone, recorded.found)) - exact).abs()
    return Difference(part, float(levels.mean()), float(levels.max()), exact=False)


def _liveliest(smaller: Tensor, whole: Box, plan: ApproximatePlan) -> Box:
    """Return the part that is compared: of those of its size the one with the most contrast."""
    if plan.compared == whole.pixels:
        return whole
    side = int(math.sqrt(plan.compared)) // plan.step * plan.step or plan.step
    height, width = min(side, whole.height), min(side, whole.width)

    def contrast(box: Box) -> float:
        ends = (-(-one // plan.factor) for one in (box.top, box.left, box.bottom, box.right))
        return float(Box(*ends).of(smaller).var())

    tops, lefts = range(0, whole.height - height + 1, height), range(0, whole.width - width + 1, width)
    return max((Box(top, left, top + height, left + width) for top in tops for left in lefts), key=contrast)


def _stepped(x: Tensor, step: int) -> Tensor:
    """Return an image (1, C, h, w) with sides that are multiples of the step: mirrored if it is too small for one."""
    for dim in (2, 3):
        while x.shape[dim] < max(step, SMALLEST_PART):
            x = torch.cat([x, x.flip(dim)], dim)
    height, width = (round(side / step) * step for side in x.shape[-2:])
    return resized(x, height, width)
