"""How well an exported model agrees with the run that it is from, and how fast both are."""

from __future__ import annotations

import ctypes
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ImageOps
from PIL.Image import Image
from torch import Tensor

from instar.core.abilities import Styled, supports
from instar.core.errors import UserError
from instar.core.events import Listener, Worked
from instar.core.formats import DomainFormat
from instar.core.raster import Picture
from instar.inference.arrays import images_to_planes
from instar.inference.exported import ExportedTranslator
from instar.inference.model import without_gradients
from instar.inference.padding import cropped
from instar.inference.translator import Translator
from instar.modules.dropout import Masks

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


class Features(NamedTuple):
    """How far the pictures of one model are from those of another, as a network for photographs sees them."""

    name: str
    """What the distance is called, such as KID."""
    distance: Callable[[Tensor, Tensor], float]
    """Of two batches (N, C, H, W) in [-1, 1]; 0 where they are equal."""


@dataclass(frozen=True)
class Parity:
    """Both models on the same images of one size.

    Attributes:
        height: in pixels.
        width: in pixels.
        largest: difference of two values, which are 0 to 1.
        mean: of all differences.
        measured: PyTorch, and the runtime of the exported model.
        distance: name and value of the kernel distance between the pictures of both, which is 0 where they are equal;
            None if there is no network for it.
    """

    height: int
    width: int
    largest: float
    mean: float
    measured: tuple[Measured, ...]
    distance: tuple[str, float] | None = None


def sizes(size: int) -> list[tuple[int, int]]:
    """Return heights and widths to measure at: of the training, larger and no multiple of anything, and twice."""
    return [(size, size), (size + size // 2 + 1, size + 3), (2 * size, 2 * size)]


def compare(
    model: Translator,
    to: str,
    exported: Path,
    images: Sequence[Picture],
    runtime: str,
    on_event: Listener,
    features: Features | None = None,
    most: float = MOST,
) -> list[Parity]:
    """Translate images by a run and by its export.

    Args:
        model: of the run.
        to: name of the domain.
        exported: the file.
        images: of any size; they are cut and resized.
        runtime: of the exported model, for the table.
        on_event: told of each size (`Worked`).
        features: for the distance of both models' pictures.
        most: difference that is taken.

    Raises:
        UserError: the two differ by more.
    """
    found = []
    wanted, form = sizes(model.trained_at), model.format_into(model.domain(to))
    for number, (height, width) in enumerate(wanted):
        on_event(Worked("comparing with PyTorch", number, len(wanted)))
        other = ExportedTranslator.load(exported)  # anew: a session keeps the memory of what it did before
        given = [inputs_of(model, other, fitted(image, form, height, width), n) for n, image in enumerate(images)]
        run, export = partial(by_run, model, to), partial(by_export, other)
        one, memory_one = _remembered(run, given)
        two, memory_two = _remembered(export, given)
        difference = (one - two).abs().double() / 2
        times = [_time(run, given[0]), _time(export, given[0])]
        measured = (Measured("PyTorch", times[0], memory_one), Measured(runtime, times[1], memory_two))
        distance = None if features is None else (features.name, features.distance(one, two))
        found.append(Parity(height, width, difference.max().item(), difference.mean().item(), measured, distance))
    on_event(Worked("comparing with PyTorch", len(wanted), len(wanted)))
    check(found, most)
    return found


def check(found: Sequence[Parity], most: float = MOST) -> None:
    """Refuse an export that differs by more than a step of 8-bit pixels, or than what is taken, or is not finite.

    Raises:
        UserError: it says where, and by how much.
    """
    for one in found:
        if not one.largest <= most:
            raise UserError(
                f"the exported model differs from the run by {one.largest * 255:.2f} of 255 at {one.width} x "
                f"{one.height} px, more than {most * 255:g}: no file was written"
            )


def fitted(image: Picture, form: DomainFormat, height: int, width: int) -> Tensor:
    """Return an image, cut if it is plain, as (1, C, height, width)."""
    if form.plain and isinstance(image, Image):
        image = ImageOps.fit(image.convert("RGB"), (width, height))
    return torch.from_numpy(images_to_planes([image], form, height, width))


@dataclass(frozen=True)
class Inputs:
    """What both models are given: an image (1, C, H, W), its style, and masks of dropout."""

    x: Tensor
    style: Tensor | None
    noise: list[NDArray[np.float32]]


_Translate = Callable[[Inputs], Tensor]


def inputs_of(model: Translator, other: ExportedTranslator, x: Tensor, number: int) -> Inputs:
    """Return an image (1, C, H, W) with a style and masks that both models can take."""
    style = model.styles(1, seed=number) if supports(model.method, Styled) else None
    return Inputs(x, style, other.noise(x.shape, number))


@without_gradients()
def by_run(model: Translator, to: str, given: Inputs) -> Tensor:
    """Return the translation by a run, within [-1, 1] as in a picture: networks may leave that, and a file does not."""
    if not given.noise:
        return model.translate(given.x, to, style=given.style).clamp(-1, 1)
    translate: Any = model.method.translate
    masks = Masks(iter(map(torch.from_numpy, given.noise)))
    made: Tensor = translate(model.padded(given.x), to=model.domain(to), generator=masks)
    return cropped(made, *given.x.shape[-2:]).clamp(-1, 1)


def by_export(model: ExportedTranslator, given: Inputs) -> Tensor:
    """Return the translation by an exported model."""
    if not given.noise:
        return model.translate(given.x, style=given.style)
    return torch.from_numpy(model.passed(given.x.numpy(), None, given.noise))


def _remembered(translate: _Translate, inputs: Sequence[Inputs]) -> tuple[Tensor, int | None]:
    """Translate images; return the results, and the memory that the first took."""
    before = _start_of_memory()
    first = translate(inputs[0])
    taken = None if before is None else max(0, _field("VmHWM") - before)
    return torch.cat([first, *map(translate, inputs[1:])]), taken


def _time(translate: _Translate, given: Inputs) -> float:
    spent = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        translate(given)
        spent.append(time.perf_counter() - began)
    return 1000 * min(spent)


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
