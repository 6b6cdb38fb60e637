"""Between what users have, PIL images and numpy arrays, and what models take: arrays (N, C, H, W) in [-1, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from instar.core.formats import DomainFormat
from instar.core.images import STRIP, resampling, resize, to_image, to_planes, to_values
from instar.core.raster import LUMA, Array, Picture
from instar.core.rasters import with_bands
from instar.inference.padding import padded_sides

if TYPE_CHECKING:
    from torch import Tensor

Planes = NDArray[np.float32]
"""Images (N, C, H, W) in [-1, 1]."""


def with_channels(x: Planes, channels: int) -> Planes:
    """Make colour gray (ITU-R 601) or gray colour, as the files' reader does; x is (N, C, H, W)."""
    if x.shape[1] == channels:
        return x
    if channels == 3:
        return x.repeat(3, axis=1)
    gray: Planes = (x * np.array(LUMA, x.dtype)[:, None, None]).sum(1, keepdims=True)
    return gray


def resized_planes(x: Planes, height: int, width: int) -> Planes:
    """Return images in another size: bicubic, with antialiasing."""
    if x.shape[-2:] == (height, width):
        return x
    rows = [resize(one.transpose(1, 2, 0), width, height).transpose(2, 0, 1) for one in x]
    return np.stack(rows).clip(-1, 1)


def padded_planes(x: Planes, multiple: int) -> Planes:
    """Pad right and below as `instar.inference.padding.padded` does for tensors."""
    height, width = x.shape[-2:]
    high, wide = padded_sides(height, width, multiple)
    mirrors = high - height < height and wide - width < width
    return np.pad(x, ((0, 0), (0, 0), (0, high - height), (0, wide - width)), "reflect" if mirrors else "edge")


def images_to_planes(batch: Sequence[Picture], form: DomainFormat, height: int, width: int) -> Planes:
    """Return pictures of a domain, of any modes, each resized, as an array (N, channels, height, width)."""
    arrays = [resize(to_values(image, form), width, height, resampling(image)) for image in batch]
    return np.stack([to_planes(array) for array in arrays])


def planes_to_images(
    out: Planes | Tensor,
    batch: Sequence[Picture],
    form: DomainFormat | None = None,
    source: DomainFormat | None = None,
) -> list[Picture]:
    """Return planes (N, C, H, W) as pictures like those they were made from, of their size (W, H).

    Args:
        out: translations.
        batch: what they were made from.
        form: of the domain that they are of; they get the modes of `batch` if it is None or plain.
        source: of the domain of `batch`: whether opacity was one of its channels, and so is not that of the results.
    """
    alpha = source is None or source.channels in (1, 3)
    return [to_image(one, image, form, alpha=alpha) for one, image in zip(out, batch, strict=True)]


def array_to_planes(x: NDArray[Any], form: DomainFormat) -> Planes:
    """Return an array of a domain's values as planes (N, channels, H, W).

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
    return with_channels(np.stack([to_planes(cast(Array, one)) for one in batch]), channels)


def _of_format(x: NDArray[Any], form: DomainFormat) -> Planes:
    if x.dtype.kind not in "iuf":
        raise ValueError(f"expected an array of integers or floats, got {x.dtype}")
    batch = _as_batch(x)
    serves = batch.ndim == 4 and (batch.shape[3] == form.channels or {batch.shape[3], form.channels} == {1, 3})
    if not serves or not batch.size:
        wanted = f"(H, W, {form.channels}) or (N, H, W, {form.channels})"
        raise ValueError(f"expected an array {wanted} of values from {form.low:g} to {form.high:g}, got {x.shape}")
    return with_channels(np.stack([to_planes(form.scaled(one)) for one in batch]), form.channels)


def planes_to_array(out: Planes, x: NDArray[Any], form: DomainFormat) -> NDArray[Any]:
    """Return planes (N, C, H, W) as an array like the one that they were made from, or of the type of a domain.

    Args:
        out: translations.
        x: what they were made from.
        form: of the domain that they are of. If it is plain, shape and type are those of `x`; else the type and the
            bands are the domain's, of which a single one has an axis only if `x` has one.
    """
    if not form.plain:
        share = (out.transpose(0, 2, 3, 1).astype(np.float64).clip(-1, 1) + 1) / 2
        values = form.unscaled(with_bands(share, form.bands))
        batch = values if x.ndim == 4 else values[0]
        return batch[..., 0] if x.ndim == 2 and form.bands == 1 else batch
    top, made = np.iinfo(x.dtype).max, np.empty_like(_as_batch(x), order="C")
    for first in range(0, out.shape[2], STRIP):  # in double precision a large image would fill the memory
        rows = slice(first, first + STRIP)
        unit = with_channels(out[:, :, rows], made.shape[3]).transpose(0, 2, 3, 1).astype(np.float64).clip(-1, 1) + 1
        made[:, rows] = np.rint(unit * (top / 2))
    return made.reshape(x.shape)


def _as_batch(x: NDArray[Any]) -> NDArray[Any]:
    return x[None, ..., None] if x.ndim == 2 else x[None] if x.ndim == 3 else x
