"""Image files to arrays and tensors, and back to files of the same kind."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instar.core import dicom_writing, npy, png, tiff
from instar.core.errors import UserError
from instar.core.files import temporary_beside
from instar.core.formats import FULL, DomainFormat
from instar.core.listing import READ_ONLY, SUFFIXES
from instar.core.metadata import DICOM, format_of, saved_with
from instar.core.raster import LUMA, Array, Picture, Raster
from instar.core.rasters import (
    as_pillow,
    as_raster,
    image_bands,
    like_raster,
    opacity_of,
    plain_values,
    profile_fits,
    raster_bands,
    seen_raster,
    with_bands,
)
from instar.core.samples import WIDE

if TYPE_CHECKING:  # seconds, which models of other runtimes can do without
    from torch import Tensor

ArrayT = TypeVar("ArrayT", bound=NDArray[Any])

STRIP = 256
"""Rows that are converted at a time."""
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"quality": 95},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}


def to_array(image: Picture, channels: int) -> Array:
    """Return the pixels (H, W, channels), uint8, or uint16 for 16-bit images.

    Transparent pixels are laid over white. Colour becomes gray by its luminance, gray becomes equal channels.
    Float images in [0, 1] become float32 in [-1, 1].

    Args:
        image: of any mode.
        channels: 1 or 3; of a raster also as many as it has bands.

    Raises:
        UserError: the bands of a raster do not fit, or its numbers have no range of their own.
    """
    if isinstance(image, Raster):
        return plain_values(image, channels)
    if image.mode in WIDE:
        values = np.asarray(image)
        scaled = np.rint(values * 65535.0) if image.mode == "F" else values
        gray = np.clip(scaled, 0, 65535).astype(np.uint16)
        return np.repeat(gray[:, :, None], channels, axis=2)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    elif image.mode not in ("1", "L"):
        image = image.convert("RGB")
    mode = "L" if channels == 1 else "RGB"
    pixels: NDArray[np.uint8] = np.asarray(image if image.mode == mode else image.convert(mode))
    return pixels.reshape(image.height, image.width, channels)


def to_typed(image: Picture, form: DomainFormat) -> NDArray[Any]:
    """Return the pixels (H, W, channels) of a picture in the type of a domain, as training keeps them.

    Args:
        image: of any mode.
        form: of the domain.

    Raises:
        UserError: the bands do not fit, or, for a plain format, as `to_array`.
    """
    if form.plain:
        return to_array(image, form.channels)
    return form.typed(_bands(image, form))


def to_values(image: Picture, form: DomainFormat) -> Array:
    """Return the pixels (H, W, channels) of a picture of a domain as `to_tensor` takes them: float32 in [-1, 1].

    Those of a plain format stay what they are. Errors as `to_typed`.
    """
    if form.plain:
        return to_array(image, form.channels)
    return form.scaled(_bands(image, form))


def clipping_notes(image: Picture, form: DomainFormat) -> list[str]:
    """Return in words which of a picture's values lie outside of the range of a domain. Errors as `to_values`."""
    if form.plain:
        return []
    shares = form.outside(_bands(image, form))
    return [
        f"{f'band {number}: ' * bool(form.band_ranges)}values outside of {min(ends):g} to {max(ends):g}, clipped"
        for number, (ends, share) in enumerate(zip(form.ranges, shares, strict=True), 1)
        if share
    ]


def to_planes(array: Array) -> NDArray[np.float32]:
    """Return pixels (H, W, C) as an array (C, H, W) float32 in [-1, 1], in which floats are already."""
    planes = np.array(array.transpose(2, 0, 1), dtype=np.float32, order="C")
    if array.dtype != np.float32:
        planes /= np.float32(32767.5 if array.dtype == np.uint16 else 127.5)
        planes -= 1
    return planes


def to_tensor(array: Array) -> Tensor:
    """Return pixels (H, W, C) as a tensor (C, H, W) float32 in [-1, 1], in which floats are already."""
    import torch  # noqa: PLC0415

    return torch.from_numpy(to_planes(array))


def _bands(image: Picture, form: DomainFormat) -> NDArray[Any]:
    """Return pixels (H, W, channels) of a picture's own type; where types are whole, 0 is white as in the format."""
    inverted = False
    if isinstance(image, Raster):
        found, inverted = raster_bands(image, form.channels), image.inverted
    else:
        found = (to_array if form.channels in (1, 3) else image_bands)(image, form.channels)
    if form.whole_type and found.dtype in FULL and inverted != form.inverted:
        found = np.iinfo(found.dtype).max - found
    return found


def to_image(
    planes: Tensor | NDArray[np.float32], like: Picture, form: DomainFormat | None = None, *, alpha: bool = True
) -> Picture:
    """Return planes as a picture of the type and range of a domain, or as one like that which they were made from.

    Args:
        planes: (C, H, W); values outside [-1, 1] are clipped.
        like: the picture as `read` gives it, of size (W, H): it gives its opacity and colour profile and, without a
            format, its mode and depth.
        form: of the domain of `planes`; None and a plain one go by `like`.
        alpha: whether `like`'s opacity is kept.
    """
    if tuple(planes.shape[-2:]) != like.size[::-1]:
        raise ValueError(f"planes of shape {tuple(planes.shape)} are no image of {like.width} x {like.height}")
    array = planes if isinstance(planes, np.ndarray) else planes.detach().cpu().float().numpy()
    # In double precision a large image would fill the memory.
    strips = [array[:, first : first + STRIP] for first in range(0, array.shape[1], STRIP)]
    if form is None or form.plain:
        if isinstance(like, Raster):
            return _typed_image(strips, like, like_raster(like), alpha)
    else:
        return _typed_image(strips, like, form, alpha)
    if like.mode in WIDE:
        units = (_unit(strip) for strip in strips)
        gray = np.concatenate([unit @ np.array(LUMA) if unit.shape[2] == 3 else unit[:, :, 0] for unit in units])
        result = _wide_image(gray, like)
    else:
        pixels = np.concatenate([np.rint(_unit(strip) * 255).astype(np.uint8) for strip in strips])
        plain = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
        result = _in_mode(plain, like)
    if "icc_profile" in like.info:
        result.info["icc_profile"] = like.info["icc_profile"]
    return result


def _typed_image(strips: Sequence[NDArray[np.float32]], like: Picture, form: DomainFormat, alpha: bool) -> Picture:
    units = (with_bands(_unit(strip), form.bands) for strip in strips)
    pixels = np.concatenate([form.unscaled(unit) for unit in units])
    opacity = opacity_of(like) if alpha and form.bands in (1, 3) else None
    if opacity is not None:
        top = np.iinfo(form.type).max if form.type.kind in "iu" else 1
        layer = opacity * top if form.type.kind == "f" else np.rint(opacity * top)
        pixels = np.concatenate([pixels, layer.astype(form.type)[:, :, None]], axis=2)
    info = {"icc_profile": like.info["icc_profile"]} if profile_fits(like, form.bands) else {}
    if DICOM in like.info:
        low, high = np.array(form.ranges).min(), np.array(form.ranges).max()
        info[DICOM] = replace(like.info[DICOM], ends=(float(low), float(high)))
    raster = Raster(pixels, alpha=opacity is not None, inverted=form.whole_type and form.inverted, info=info)
    return as_pillow(raster) or raster


def _unit(strip: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (C, H, W) in [-1, 1] as (H, W, C) in [0, 1]."""
    unit: NDArray[np.float64] = (strip.transpose(1, 2, 0).clip(-1, 1).astype(np.float64) + 1) / 2
    return unit


def _wide_image(gray: NDArray[np.float64], like: Image.Image) -> Image.Image:
    if like.mode == "F":
        return Image.fromarray(gray.astype(np.float32))
    values = np.rint(gray * 65535)
    if like.mode == "I":
        return Image.fromarray(values.astype(np.int32))
    big_endian = like.mode == "I;16B" or (like.mode == "I;16N" and sys.byteorder == "big")
    return Image.frombytes(like.mode, like.size, values.astype(">u2" if big_endian else "<u2").tobytes())


def _in_mode(plain: Image.Image, like: Image.Image) -> Image.Image:
    if like.mode == "P":
        alpha = like.convert("RGBA").getchannel("A") if like.has_transparency_data else None
        return _with_palette(plain.convert("RGB"), alpha)
    if like.mode == "1":
        return plain.convert("1", dither=Image.Dither.NONE)
    if like.mode in ("RGBA", "LA"):
        result = plain.convert(like.mode)
        result.putalpha(like.getchannel("A"))
        return result
    if like.mode in ("RGB", "L") and like.has_transparency_data:
        result = plain.convert(like.mode)  # a colour that is transparent need not be one of the result's
        result.putalpha(like.convert("RGBA").getchannel("A"))
        return result
    return plain.convert("RGB").convert(like.mode)


def _with_palette(image: Image.Image, alpha: Image.Image | None) -> Image.Image:
    if alpha is None:
        return image.quantize(256)
    opacity = np.asarray(alpha)
    if np.isin(opacity, (0, 255)).all():
        # One index for transparent is all that a GIF can hold, and leaves 255 exact colours.
        result = image.quantize(255)
        result.paste(255, mask=Image.fromarray((opacity == 0).astype(np.uint8) * 255))
        colours = (result.getpalette() or [])[: 3 * 255]
        result.putpalette([*colours, *[255] * (3 * 256 - len(colours))])
        result.info["transparency"] = 255
        return result
    image.putalpha(alpha)
    return image.quantize(256)


def viewable(image: Picture, form: DomainFormat | None = None) -> Image.Image:
    """Return a picture for the eye: 8 bits, gray or RGB, without transparency or palette.

    Of rasters the first three bands are seen, or the first of two, over the range of their domain; without one over
    that of their type, or of their values where the type has none.
    """
    if isinstance(image, Raster):
        return seen_raster(image, form)
    if image.mode in ("RGB", "L"):
        return image
    plain = to_image(to_planes(to_array(image, 3)), Image.new("RGB", image.size))
    assert isinstance(plain, Image.Image)
    return plain


def comparable(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return two batches of images as they are if both are gray or in colour, else both as `colour` shows them."""
    return (x, y) if x.shape[1] == y.shape[1] and x.shape[1] in (1, 3) else (colour(x), colour(y))


def eight_bit(image: Picture) -> NDArray[np.uint8]:
    """Return the colours (H, W, 3) of a picture with 8 bits."""
    if isinstance(image, Raster):
        return np.asarray(viewable(image).convert("RGB"))
    array = to_array(image, 3)
    return (array // np.uint16(257) if array.dtype == np.uint16 else array).astype(np.uint8)


def colour(images: Tensor) -> Tensor:
    """Return images (N, C, H, W) with three channels, as eyes and networks for photographs take them.

    Of more bands these are the first three; of two the first one, which is gray then.
    """
    channels = images.shape[1]
    if channels == 3:
        return images
    return images[:, :3] if channels > 3 else images[:, :1].expand(-1, 3, -1, -1)


def save(image: Picture, path: Path) -> None:
    """Write a picture in the format of the path's suffix. The file appears whole or not at all.

    JPEG, WebP and AVIF are written at quality 95; a colour profile in `image.info` is kept, and what `metadata.give`
    gave.

    Raises:
        UserError: the format cannot hold the image's mode, or the folder cannot be written.
    """
    written = SUFFIXES - READ_ONLY
    if path.suffix.lower() not in written:
        raise UserError(f"cannot write {path}: {path.suffix or 'no suffix'} is none of {', '.join(sorted(written))}")
    kind = format_of(path) or "NumPy"
    part = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        options = {"icc_profile": image.info.get("icc_profile"), **saved_with(image, path)[0]}
        if kind == "DICOM":
            dicom_writing.write([as_raster(image)], part, image.info.get(DICOM), keep=DICOM in options)
        elif kind == "NumPy":
            npy.write([as_raster(image)], part, packed=path.suffix.lower() == ".npz")
        elif isinstance(image, Raster):
            _save_raster(image, part, kind, options)
        else:
            image.save(part, format=kind, **_SAVE_OPTIONS.get(kind, {}), **options)
        part.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _save_raster(raster: Raster, path: Path, kind: str, options: dict[str, Any]) -> None:
    if kind == "TIFF":
        tiff.write(raster, path, options)
    elif kind == "PNG" and raster.pixels.dtype == np.uint16 and raster.pixels.shape[2] <= 4:
        png.write(raster, path, options)
    else:
        raise UserError(f"{kind} files hold no {raster.mode}")


def resize(array: ArrayT, width: int, height: int, resample: Image.Resampling = Image.Resampling.BICUBIC) -> ArrayT:
    """Return pixels (H, W, C) resized to (height, width, C) of the same type, with antialiasing."""
    if array.shape[:2] == (height, width):
        return array
    if array.dtype == np.uint8:
        source = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
        pixels: NDArray[np.uint8] = np.asarray(source.resize((width, height), resample))
        return cast(ArrayT, pixels.reshape(height, width, -1))
    # Pillow resizes other types well only as floats, one channel at a time.
    planes = [Image.fromarray(plane.astype(np.float32)) for plane in array.transpose(2, 0, 1)]
    resized: NDArray[Any] = np.stack([np.asarray(plane.resize((width, height), resample)) for plane in planes], axis=2)
    if array.dtype.kind == "f":
        return cast(ArrayT, resized.astype(array.dtype))
    ends = np.iinfo(array.dtype)
    rounded = np.rint(resized).astype(np.float64).clip(ends.min, ends.max)
    return cast(ArrayT, rounded.astype(array.dtype))


def resampling(image: Picture) -> Image.Resampling:
    """Return how `image` is to be resized: palette images may be label maps, whose colours must not be mixed."""
    return Image.Resampling.NEAREST if image.mode == "P" else Image.Resampling.BICUBIC


def centre_square(array: ArrayT, size: int, resample: Image.Resampling = Image.Resampling.BICUBIC) -> ArrayT:
    """Return the largest centred square of pixels (H, W, C), resized to (size, size, C)."""
    height, width = array.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    part = cast(ArrayT, array[top : top + side, left : left + side])
    return resize(part, size, size, resample)
