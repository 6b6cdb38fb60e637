"""Large training images, of which only crops are read from their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from instar.core.errors import UserError
from instar.core.formats import DomainFormat
from instar.core.images import centre_square, resampling, to_tensor, to_typed, to_values
from instar.core.masks import MASK, as_mask, hide, largest_of, white
from instar.core.raster import NotRead, Picture
from instar.core.reading import UnreadableImage
from instar.core.windows import ArrayWindows, TiffWindows, open_parts
from instar.data.refs import ImageRef, Row

LARGE = 2**24
"""Pixels from which on crops are read from the file; smaller images are decoded once, into the cache."""


@dataclass(frozen=True)
class LargeImage:
    """Pixels (H, W, C) in the type of a domain, in a file: `image[rows, columns]` reads some."""

    ref: ImageRef
    form: DomainFormat
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return self.height, self.width, self.form.channels

    def __getitem__(self, where: tuple[slice, slice]) -> NDArray[Any]:
        (top, bottom, _), (left, right, _) = where[0].indices(self.height), where[1].indices(self.width)
        windows = _opened(self.ref)
        if windows is None:
            raise UnreadableImage(self.ref.path, "it was changed since the training began")
        with windows:
            try:
                part = windows.window(top, left, bottom, right)
                if self.form is MASK:
                    part = as_mask(part, _largest(self.ref))
                found: NDArray[Any] = np.ascontiguousarray(to_typed(part, self.form))
            except (NotRead, UserError) as error:
                raise UnreadableImage(self.ref.path, str(error)) from error
        return found


def large_images(row: Row, formats: Sequence[DomainFormat]) -> list[LargeImage] | None:
    """Return the images and masks of a row if crops of all of them can be read from their files, and are worth it.

    They are of one size. What cannot be read, or not so, is left to whoever reads files whole.
    """
    found = []
    for ref, form in zip(row, formats, strict=True):
        windows = _opened(ref)
        if windows is None:
            return None
        with windows:
            header = windows.header
            if header.height * header.width < LARGE:
                return None
            try:
                to_typed(windows.window(0, 0, 1, 1), form)
            except (NotRead, UserError):
                return None
        found.append(LargeImage(ref, form, header.height, header.width))
    return found if len({one.shape[:2] for one in found}) == 1 else None


def middle(ref: ImageRef, form: DomainFormat, size: int, *, resample: Image.Resampling | None = None) -> Tensor:
    """Return the middle of an image as (channels, size, size) in [-1, 1], enlarged if it is smaller than that.

    What lies outside of its masks is hidden. It is enlarged as `resampling` says where nothing else is asked.

    Raises:
        UnreadableImage: the file is broken, or its bands or values are none of the format.
    """
    found = _middle(ref, form, size, resample)
    if ref.masks:
        masks = (_middle(mask, MASK, size, Image.Resampling.NEAREST).numpy() for mask in ref.masks)
        hide(found.numpy(), np.logical_and.reduce([white(mask.transpose(1, 2, 0)) for mask in masks]))
    return found


def _middle(ref: ImageRef, form: DomainFormat, size: int, resample: Image.Resampling | None) -> Tensor:
    windows = _opened(ref)
    if windows is None or min(windows.header.height, windows.header.width) < size:
        with ref.decoded() as image:
            return _cut(ref, as_mask(image) if form is MASK else image, form, size, resample)
    with windows:
        top, left = (windows.header.height - size) // 2, (windows.header.width - size) // 2
        try:
            part = windows.window(top, left, top + size, left + size)
            if form is MASK:
                part = as_mask(part, largest_of(windows))
            return _cut(ref, part, form, size, resample)
        except NotRead as error:
            raise UnreadableImage(ref.path, str(error)) from error


def _cut(ref: ImageRef, image: Picture, form: DomainFormat, size: int, resample: Image.Resampling | None) -> Tensor:
    top, left = max(image.height - size, 0) // 2, max(image.width - size, 0) // 2
    try:
        values = to_values(image, form)[top : top + size, left : left + size]
    except UserError as error:
        raise UnreadableImage(ref.path, error.message.raw) from error
    return to_tensor(centre_square(values, size, resampling(image) if resample is None else resample))


@lru_cache(maxsize=4096)
def _largest(ref: ImageRef) -> int:
    """Return the largest value of a mask. Errors as of its windows."""
    windows = _opened(ref)
    if windows is None:
        return 0
    with windows:
        return largest_of(windows)


def _opened(ref: ImageRef) -> TiffWindows | ArrayWindows | None:
    if ref.entry or ref.half or not isinstance(ref.path, Path):
        return None
    return open_parts(ref.path, ref.page or 0)
