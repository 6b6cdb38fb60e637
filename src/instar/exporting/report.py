"""How well an exported model agrees with the run that it is from, and how fast both are."""

from __future__ import annotations

import ctypes
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import ImageOps
from PIL.Image import Image
from torch import Tensor

from instar.core.abilities import Styled, supports
from instar.core.errors import UserError
from instar.core.events import Listener, Worked
from instar.core.formats import DomainFormat
from instar.core.raster import Picture
from instar.inference.arrays import images_to_tensor
from instar.inference.translator import Translator

MOST = 1 / 255
"""Difference that an export may make, where values are 0 to 1: a step of 8-bit pixels."""
REPEATS = 3
STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Measured:
    """A runtime at a size.

    Attributes:
        runtime: its name.
        milliseconds: for one image, the shortest of some passes.
        bytes: the most memory that a pass took beyond what the process held before; None where that cannot be told.
    """

    runtime: str
    milliseconds: float
    bytes: int | None


@dataclass(frozen=True)
class Parity:
    """Both models on the same images of one size.

    Attributes:
        height: in pixels.
        width: in pixels.
        largest: difference of two values, which are 0 to 1.
        mean: of all differences.
        measured: PyTorch, and the runtime of the exported model.
    """

    height: int
    width: int
    largest: float
    mean: float
    measured: tuple[Measured, ...]


def sizes(size: int) -> list[tuple[int, int]]:
    """Return heights and widths to measure at: of the training, larger and no multiple of anything, and twice."""
    return [(size, size), (size + size // 2 + 1, size + 3), (2 * size, 2 * size)]


def compare(
    model: Translator, to: str, exported: Path, images: Sequence[Picture], runtime: str, on_event: Listener
) -> list[Parity]:
    """Translate images by a run and by its export.

    Args:
        model: of the run.
        to: name of the domain.
        exported: the file.
        images: of any size; they are cut and resized.
        runtime: of the exported model, for the table.
        on_event: told of each size (`Worked`).

    Raises:
        UserError: the two differ by more than a step of 8-bit pixels.
    """
    found = []
    wanted, form = sizes(model.trained_at), model.format_into(model.domain(to))
    for number, (height, width) in enumerate(wanted):
        on_event(Worked("comparing with PyTorch", number, len(wanted)))
        x = torch.cat([_fitted(image, form, height, width) for image in images])
        other = Translator.load(exported, "cpu")  # anew: a session keeps the memory of what it did before
        styles = torch.cat([model.styles(1, seed=seed) for seed in range(len(x))]) if _styled(model) else None
        one, memory_one = _remembered(model, x, to, styles)
        two, memory_two = _remembered(other, x, other.targets[0], styles)
        difference = (one - two).abs().double() / 2
        times = [_time(model, x, to, styles), _time(other, x, other.targets[0], styles)]
        measured = (Measured("PyTorch", times[0], memory_one), Measured(runtime, times[1], memory_two))
        found.append(Parity(height, width, difference.max().item(), difference.mean().item(), measured))
    on_event(Worked("comparing with PyTorch", len(wanted), len(wanted)))
    check(found)
    return found


def check(found: Sequence[Parity]) -> None:
    """Refuse an export that differs by more than a step of 8-bit pixels, or is not finite.

    Raises:
        UserError: it says where, and by how much.
    """
    for one in found:
        if not one.largest <= MOST:
            raise UserError(
                f"the exported model differs from the run by {one.largest * 255:.2f} of 255 at {one.width} x "
                f"{one.height} px, more than 1: no file was written"
            )


def _fitted(image: Picture, form: DomainFormat, height: int, width: int) -> Tensor:
    """Return an image, cut if it is plain, as (1, C, height, width)."""
    if form.plain and isinstance(image, Image):
        image = ImageOps.fit(image.convert("RGB"), (width, height))
    return images_to_tensor([image], form, height, width)


def _remembered(model: Translator, x: Tensor, to: str, styles: Tensor | None) -> tuple[Tensor, int | None]:
    """Translate images in one batch of each; return the result, and the memory that the first took."""
    before = _start_of_memory()
    model.translate(x[:1], to, style=None if styles is None else styles[:1])
    taken = None if before is None else max(0, _field("VmHWM") - before)
    return model.translate(x, to, style=styles), taken


def _time(model: Translator, x: Tensor, to: str, styles: Tensor | None) -> float:
    spent = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        model.translate(x[:1], to, style=None if styles is None else styles[:1])
        spent.append(time.perf_counter() - began)
    return 1000 * min(spent)


def _styled(model: Translator) -> bool:
    return supports(model.method, Styled)


def _start_of_memory() -> int | None:
    """Let the kernel count the peak anew, on Linux; return what the process holds now."""
    if sys.platform != "linux":
        return None
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # or memory that was freed before would be taken again unseen
        CLEAR.write_text("5")
    except (OSError, AttributeError):  # another C library, or a kernel without it
        return None
    return _field("VmRSS")


def _field(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
