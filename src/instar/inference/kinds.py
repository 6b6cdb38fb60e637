"""Translating arrays, images and lists of them: each is given back as the kind that it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from instar.core.batch import Domain
from instar.core.raster import Picture
from instar.core.settings import Bounds
from instar.inference.arrays import array_to_planes, images_to_planes, planes_to_array, planes_to_images
from instar.inference.batches import BATCH, SMALLEST_SIZE, at_once, chunks, pixels_for
from instar.inference.checks import check_equal_sizes
from instar.inference.fitting import WHOLE, Fitting
from instar.inference.padding import enlarged
from instar.inference.styles import Style, checked_style

if TYPE_CHECKING:
    from instar.inference.base import BaseTranslator


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


def translated_array(model: BaseTranslator, x: NDArray[Any], options: Options) -> NDArray[Any]:
    """Translate an array (H, W), (H, W, C) or (N, H, W, C)."""
    planes = array_to_planes(x, model.format_into(options.domain))
    made = [
        model.arrays(
            planes[part],
            options.domain,
            size=options.size,
            seed=options.seed,
            style=style,
            fitting=options.fitting,
        )
        for part, style in in_parts(model, planes.shape, options)
    ]
    return planes_to_array(np.concatenate(made), x, model.format_of(options.domain))


def translated_images(model: BaseTranslator, batch: Sequence[Picture], options: Options) -> list[Picture]:
    """Translate pictures of one size in one pass."""
    check_equal_sizes(batch)
    height, width = batch[0].height, batch[0].width
    source = model.format_into(options.domain)
    x = images_to_planes(batch, source, *enlarged(height, width, options.size))
    style = _styles(model, options, len(batch))
    fitting, shape = options.fitting, (height, width)
    out = model.arrays(x, options.domain, seed=options.seed, style=style, fitting=fitting, shape=shape)
    return planes_to_images(out, batch, model.format_of(options.domain), source)


def translated_list(model: BaseTranslator, images: Sequence[Picture], options: Options) -> list[Picture]:
    """Translate pictures of any sizes; those of one size go together."""
    styles = _styles(model, options, len(images))
    sizes = {number: (*image.size, 0) for number, image in enumerate(images)}
    made: dict[int, Picture] = {}
    for numbers in chunks(sizes, options.batch, pixels_for(model.computes_on)):
        these = replace(options, style=None if styles is None else styles[numbers])
        made |= zip(numbers, translated_images(model, [images[number] for number in numbers], these), strict=True)
    return [made[number] for number in range(len(images))]


def in_parts(
    model: BaseTranslator, shape: Sequence[int], options: Options
) -> Iterator[tuple[slice, NDArray[np.float32] | None]]:
    """Yield which images (N, C, H, W) go through the networks together, and their styles."""
    count, _, high, wide = shape
    styles = _styles(model, options, count)
    height, width = model.working_size(high, wide, options.size)
    step = at_once(width, height, options.batch, pixels_for(model.computes_on))
    for start in range(0, count, step):
        part = slice(start, start + step)
        yield part, None if styles is None else styles[part]


def _styles(model: BaseTranslator, options: Options, count: int) -> NDArray[np.float32] | None:
    return None if options.style is None else checked_style(model, options.style, count)
