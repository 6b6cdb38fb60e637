"""Translating an image of any size in strips, so that the result is that of the whole image."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from instar.core.errors import UserError, setting
from instar.core.events import Listener, Worked, ignore
from instar.inference.memory import free_bytes
from instar.inference.tiles.local import Rows
from instar.inference.tiles.operations import NotLocal, Translate
from instar.inference.tiles.pixels import Box, Source, Target
from instar.inference.tiles.sizes import LARGEST_TILE, SMALLEST_TILE, TILES, Tile
from instar.inference.tiles.storage import Space
from instar.inference.tiles.tensor import TiledTensor
from instar.inference.tiles.work import Work

SHARE = 0.5
"""Of the free memory, for what is kept between two operations; what is beyond lies on disk."""
SLOWER = 1.5
"""Times the seconds of the whole image, for the estimate: 1.0 to 1.3 were measured, and disks may be slow."""


@dataclass(frozen=True)
class Plan:
    """What a translation in strips will take.

    Attributes:
        side: of the square with as many pixels as a strip.
        kept: bytes of memory that may be used for features between operations.
        memory: bytes of all features in memory.
        disk: bytes of the files in the folder for temporary files.
        strips: how many are computed in all.
    """

    side: int
    kept: int
    memory: int
    disk: int
    strips: int


@dataclass(frozen=True, eq=False)
class _Read(Rows):
    """The image itself."""

    source: Source
    device: torch.device

    @property
    @override
    def inputs(self) -> tuple[Rows, ...]:
        return ()

    @override
    def rows(self, first: int, last: int) -> Tensor:
        return self.source.window(Box(first, 0, last, self.shape[-1])).to(self.device)


def tiled(
    translate: Translate,
    source: Source,
    device: torch.device,
    plan: Plan,
    target: Target,
    on_event: Listener = ignore,
) -> None:
    """Translate an image in strips.

    Args:
        translate: maps (1, C, H, W) on the device to (1, D, H, W).
        source: the image.
        device: that computes.
        plan: from `planned`.
        target: takes each strip of the result.
        on_event: told of each strip.
    """
    on_event(Worked(TILES, 0, plan.strips))
    work = _work(source, device, plan.side, plan.kept, lambda done: on_event(Worked(TILES, done, plan.strips)))
    _run(translate, source, work, target)


def planned(translate: Translate, source: Source, device: torch.device, tile: Tile, image: str) -> Plan:
    """Return what `tiled` will take. Nothing is computed.

    Args:
        translate: as of `tiled`.
        source: as of `tiled`.
        device: that computes.
        tile: what is asked for.
        image: its size, for messages.

    Raises:
        NotLocal: the method does something with whole images that cannot be done in strips.
        UserError: it takes more memory or disk than there is.
    """
    free = free_bytes(device)
    host = free if device.type == "cpu" else free_bytes(torch.device("cpu"))
    kept = int(host * SHARE)
    side = LARGEST_TILE if tile == "auto" else tile
    while True:
        work = _work(source, device, side, kept, counts_only=True)
        _run(translate, source, work, lambda *_: None)
        if tile != "auto" or work.strip_bytes < free * (1 - SHARE) / 2 or side <= SMALLEST_TILE:
            break
        side //= 2
    plan = Plan(side, kept, work.strip_bytes + work.space.most_in_memory, work.space.most_on_disk, work.strips)
    if work.strip_bytes > free:
        raise UserError(
            f"{image} in tiles of {side} px need about {gigabytes(work.strip_bytes)} of memory, "
            f"{gigabytes(free)} are free; set a smaller {setting('tile')} or a lower {setting('size')}"
        )
    folder = tempfile.gettempdir()
    room = shutil.disk_usage(folder).free
    if plan.disk > room:
        raise UserError(
            f"{image} in tiles need {gigabytes(plan.disk)} in {folder}, {gigabytes(room)} are free; set "
            f"the environment variable TMPDIR to a folder with more, or a lower {setting('size')}"
        )
    return plan


def told(plan: Plan, seconds: float) -> str:
    """Return what a translation will take, that takes so many seconds as a whole."""
    disk = f", {gigabytes(plan.disk)} of disk in {tempfile.gettempdir()}" if plan.disk else ""
    time = duration(seconds * SLOWER)
    return f"in tiles of {plan.side} px: about {gigabytes(plan.memory)} of memory{disk}, and {time}"


def gigabytes(size: float) -> str:
    """Return bytes as text."""
    return f"{size / 2**30:.1f} GB"


def _run(translate: Translate, source: Source, work: Work, target: Target) -> None:
    out = translate(TiledTensor(_Read(source.shape, torch.float32, source, work.device), work))
    if not isinstance(out, TiledTensor):
        raise NotLocal("a result that does not depend on the image by rows")
    rows = out.current()
    for first, strip in work.each(rows):
        target(Box(first, 0, first + strip.shape[-2], strip.shape[-1]), strip.cpu())


def _work(
    source: Source,
    device: torch.device,
    side: int,
    kept: int,
    tick: Callable[[int], None] = lambda _: None,
    *,
    counts_only: bool = False,
) -> Work:
    return Work(device, (source.shape[-2], source.shape[-1]), side * side, Space(kept), counts_only, tick)


def duration(seconds: float) -> str:
    """Return a time as text."""
    for unit, length in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return "less than two minutes"
