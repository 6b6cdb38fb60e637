"""Between what users have, PIL images and numpy arrays, and what networks take: tensors (N, C, H, W) in [-1, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instar.core.formats import DomainFormat
from instar.core.images import STRIP, resampling, resize, to_image, to_tensor, to_values
from instar.core.raster import LUMA, Array, Picture
from instar.core.rasters import with_bands
from instar.inference.padding import resized

PixelT = TypeVar("PixelT", bound=np.generic)


def with_channels(x: Tensor, channels: int) -> Tensor:
    """Make colour gray (ITU-R 601) or gray colour, as the files' reader does; x is (N, C, H, W)."""
    if x.shape[1] == channels:
        return x
    if channels == 3:
        return x.expand(-1, 3, -1, -1)
    return (x * x.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)


def images_to_tensor(batch: Sequence[Picture], form: DomainFormat, height: int, width: int) -> Tensor:
    """Return pictures of a domain, of any modes, each resized, as a tensor (N, channels, height, width)."""
    arrays = [resize(to_values(image, form), width, height, resampling(image)) for image in batch]
    return torch.stack([to_tensor(array) for array in arrays])


def tensor_to_images(
    out: Tensor, batch: Sequence[Picture], form: DomainFormat | None = None, source: DomainFormat | None = None
) -> list[Picture]:
    """Return a tensor (N, C, H, W) as pictures of the size of those it was made from.

    Args:
        out: translations.
        batch: what they were made from.
        form: of the domain that they are of; they get the modes of `batch` if it is None or plain.
        source: of the domain of `batch`: whether opacity was one of its channels, and so is not that of the results.
    """
    out = resized(out, batch[0].height, batch[0].width)
    alpha = source is None or source.channels in (1, 3)
    return [to_image(one, image, form, alpha=alpha) for one, image in zip(out, batch, strict=True)]


def array_to_tensor(x: NDArray[Any], form: DomainFormat) -> Tensor:
    """Return an array of a domain's values as a tensor (N, channels, H, W).

    Args:
        x: (H, W), (H, W, C) or (N, H, W, C); uint8 or uint16 over their whole range if the format is plain.
        form: of the domain.

    Raises:
        ValueError: it is another array; one line.
    """
    if not form.plain:
        return _of_format(x, form)
    channels = form.channels
    if x.dtype not in (np.uint8, np.uint16):
        floats = "; floats go in as a tensor (N, C, H, W) in [-1, 1]" if np.issubdtype(x.dtype, np.floating) else ""
        raise ValueError(f"expected an array of uint8 or uint16 pixels, got {x.dtype}{floats}")
    batch = _as_batch(x)
    if batch.ndim != 4 or batch.shape[3] not in (1, 3) or not batch.size:
        raise ValueError(f"expected an array (H, W), (H, W, C) or (N, H, W, C) with C 1 or 3, got {x.shape}")
    return with_channels(torch.stack([to_tensor(cast(Array, one)) for one in batch]), channels)


def _of_format(x: NDArray[Any], form: DomainFormat) -> Tensor:
    if x.dtype.kind not in "iuf":
        raise ValueError(f"expected an array of integers or floats, got {x.dtype}")
    batch = _as_batch(x)
    serves = batch.ndim == 4 and (batch.shape[3] == form.channels or {batch.shape[3], form.channels} == {1, 3})
    if not serves or not batch.size:
        wanted = f"(H, W, {form.channels}) or (N, H, W, {form.channels})"
        raise ValueError(f"expected an array {wanted} of values from {form.low:g} to {form.high:g}, got {x.shape}")
    return with_channels(torch.stack([to_tensor(form.scaled(one)) for one in batch]), form.channels)


def tensor_to_array(out: Tensor, x: NDArray[Any], form: DomainFormat) -> NDArray[Any]:
    """Return a tensor (N, C, H, W) as an array like the one that it was made from, or of the type of a domain.

    Args:
        out: translations.
        x: what they were made from.
        form: of the domain that they are of. If it is plain, shape and type are those of `x`; else the type and the
            bands are the domain's, of which a single one has an axis only if `x` has one.
    """
    if not form.plain:
        share = out.permute(0, 2, 3, 1).double().clamp(-1, 1).add(1).div(2).cpu().numpy()
        values = form.unscaled(with_bands(share, form.bands))
        batch = values if x.ndim == 4 else values[0]
        return batch[..., 0] if x.ndim == 2 and form.bands == 1 else batch
    top, made = np.iinfo(x.dtype).max, np.empty_like(_as_batch(x), order="C")
    for first in range(0, out.shape[2], STRIP):  # in double precision a large image would fill the memory
        rows = slice(first, first + STRIP)
        unit = with_channels(out[:, :, rows], made.shape[3]).permute(0, 2, 3, 1).double().clamp(-1, 1).add(1)
        made[:, rows] = unit.mul(top / 2).round().numpy()
    return made.reshape(x.shape)


def _as_batch(x: NDArray[Any]) -> NDArray[Any]:
    return x[None, ..., None] if x.ndim == 2 else x[None] if x.ndim == 3 else x
