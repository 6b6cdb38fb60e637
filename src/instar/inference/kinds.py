"""Translating tensors, arrays, images and lists of them: each is given back as the kind that it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from instar.core.batch import Domain
from instar.core.raster import Picture
from instar.core.settings import Bounds
from instar.inference.arrays import array_to_tensor, images_to_tensor, tensor_to_array, tensor_to_images
from instar.inference.batches import BATCH, SMALLEST_SIZE, at_once, chunks, pixels_for
from instar.inference.checks import check_equal_sizes, check_tensor
from instar.inference.fitting import Fitting
from instar.inference.model import WHOLE, Model, without_gradients
from instar.inference.padding import enlarged
from instar.inference.styles import Style, checked_style


@dataclass(frozen=True)
class Options:
    """How images are to be translated.

    Attributes:
        domain: key of the domain to translate into.
        size: short side to work at; the images' own if None.
        seed: of the model's noise or style.
        style: (S,) for all images or (N, S); drawn from the seed if None.
        batch: most images of one size that go through the networks together.
        fitting: what to do with images that are large.
    """

    domain: Domain
    size: int | None = None
    seed: int = 0
    style: Style | None = None
    batch: int = BATCH
    fitting: Fitting = WHOLE

    def __post_init__(self) -> None:
        if self.size is not None:
            Bounds(SMALLEST_SIZE).check("size", self.size)
        Bounds(0).check("seed", self.seed)
        Bounds(1).check("batch", self.batch)


@without_gradients()
def translated_tensor(model: Model, x: Tensor, options: Options) -> Tensor:
    """Translate a tensor (C, H, W) or (N, C, H, W)."""
    check_tensor(x, model.format_into(options.domain).channels)
    out = _in_parts(model, x[None] if x.dim() == 3 else x, options)
    return out[0] if x.dim() == 3 else out


def translated_array(model: Model, x: NDArray[Any], options: Options) -> NDArray[Any]:
    """Translate an array (H, W), (H, W, C) or (N, H, W, C)."""
    out = _in_parts(model, array_to_tensor(x, model.format_into(options.domain)), options)
    return tensor_to_array(out, x, model.format_of(options.domain))


def translated_images(model: Model, batch: Sequence[Picture], options: Options) -> list[Picture]:
    """Translate pictures of one size in one pass."""
    check_equal_sizes(batch)
    height, width = enlarged(batch[0].height, batch[0].width, options.size)
    source = model.format_into(options.domain)
    x = images_to_tensor(batch, source, height, width)
    style = _styles(model, options, len(batch))
    out = model.tensors(x, options.domain, seed=options.seed, style=style, fitting=options.fitting)
    return tensor_to_images(out, batch, model.format_of(options.domain), source)


def translated_list(model: Model, images: Sequence[Picture], options: Options) -> list[Picture]:
    """Translate pictures of any sizes; those of one size go together."""
    styles = _styles(model, options, len(images))
    sizes = {number: (*image.size, 0) for number, image in enumerate(images)}
    made: dict[int, Picture] = {}
    for numbers in chunks(sizes, options.batch, pixels_for(model.device.type)):
        these = replace(options, style=None if styles is None else styles[numbers])
        made |= zip(numbers, translated_images(model, [images[number] for number in numbers], these), strict=True)
    return [made[number] for number in range(len(images))]


def _in_parts(model: Model, x: Tensor, options: Options) -> Tensor:
    styles = _styles(model, options, len(x))
    height, width = model.working_size(x.shape[-2], x.shape[-1], options.size)
    step = at_once(width, height, options.batch, pixels_for(model.device.type))
    made = [
        model.tensors(
            x[start : start + step],
            options.domain,
            size=options.size,
            seed=options.seed,
            style=None if styles is None else styles[start : start + step],
            fitting=options.fitting,
        )
        for start in range(0, len(x), step)
    ]
    return made[0] if len(made) == 1 else torch.cat(made)


def _styles(model: Model, options: Options, count: int) -> Tensor | None:
    return None if options.style is None else checked_style(model, options.style, count)
