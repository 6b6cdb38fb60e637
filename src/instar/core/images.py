"""Image files to arrays and tensors, and back to files of the same kind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from instar.core.errors import UserError
from instar.core.files import temporary_beside
from instar.core.listing import SUFFIXES
from instar.core.metadata import saved_with
from instar.core.samples import WIDE

Array = NDArray[np.uint8] | NDArray[np.uint16]
"""Pixels (H, W, C); 16 bit where the file has 16 bit."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in gray: ITU-R 601, as Pillow uses them."""
STRIP = 256
"""Rows that are converted at a time."""
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"quality": 95},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}


def to_array(image: Image.Image, channels: int) -> Array:
    """Return the pixels (H, W, channels), uint8, or uint16 for 16-bit gray.

    Transparent pixels are laid over white. Colour becomes gray by its luminance, gray becomes equal channels.
    Float images in [0, 1] become 16 bit.

    Args:
        image: of any mode.
        channels: 1 or 3.
    """
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


def to_tensor(array: Array) -> Tensor:
    """Return pixels (H, W, C), uint8 or uint16, as a tensor (C, H, W) float32 in [-1, 1]."""
    planes = np.ascontiguousarray(array.transpose(2, 0, 1), dtype=np.float32)
    return torch.from_numpy(planes).div_(32767.5 if array.dtype == np.uint16 else 127.5).sub_(1)


def to_image(tensor: Tensor, like: Image.Image) -> Image.Image:
    """Return `tensor` as an image of the mode, bit depth, alpha and colour profile of `like`.

    Args:
        tensor: (C, H, W) with 1 or 3 channels; values outside [-1, 1] are clipped.
        like: the image as `read` gives it, of size (W, H).
    """
    if tuple(tensor.shape[-2:]) != like.size[::-1]:
        raise ValueError(f"a tensor of shape {tuple(tensor.shape)} is no image of {like.width} x {like.height}")
    strips = torch.split(tensor.detach().cpu(), STRIP, 1)  # in double precision a large image would fill the memory
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


def _unit(strip: Tensor) -> NDArray[np.float64]:
    """Return (C, H, W) in [-1, 1] as (H, W, C) in [0, 1]."""
    return (strip.float().permute(1, 2, 0).numpy().clip(-1, 1).astype(np.float64) + 1) / 2


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


def viewable(image: Image.Image) -> Image.Image:
    """Return a picture for the eye: 8 bits, gray or RGB, without transparency or palette."""
    if image.mode in ("RGB", "L"):
        return image
    return to_image(to_tensor(to_array(image, 3)), Image.new("RGB", image.size))


def save(image: Image.Image, path: Path) -> None:
    """Write `image` in the format of the path's suffix. The file appears whole or not at all.

    JPEG, WebP and AVIF are written at quality 95; a colour profile in `image.info` is kept, and what `metadata.give`
    gave.

    Raises:
        UserError: the format cannot hold the image's mode, or the folder cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"cannot write {path}: {path.suffix or 'no suffix'} is none of {', '.join(sorted(SUFFIXES))}")
    kind = Image.registered_extensions()[path.suffix.lower()]
    part = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        options = {**_SAVE_OPTIONS.get(kind, {}), **saved_with(image, path)[0]}
        image.save(part, format=kind, icc_profile=image.info.get("icc_profile"), **options)
        part.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def resize(array: Array, width: int, height: int, resample: Image.Resampling = Image.Resampling.BICUBIC) -> Array:
    """Return pixels (H, W, C) resized to (height, width, C) of the same type, with antialiasing."""
    if array.shape[:2] == (height, width):
        return array
    if array.dtype == np.uint8:
        source = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
        pixels: NDArray[np.uint8] = np.asarray(source.resize((width, height), resample))
        return pixels.reshape(height, width, -1)
    # Pillow resizes 16 bit well only as floats, one channel at a time.
    planes = [Image.fromarray(plane.astype(np.float32)) for plane in array.transpose(2, 0, 1)]
    resized: NDArray[np.float32] = np.stack(
        [np.asarray(plane.resize((width, height), resample)) for plane in planes], axis=2
    )
    return np.rint(resized).clip(0, 65535).astype(np.uint16)


def resampling(image: Image.Image) -> Image.Resampling:
    """Return how `image` is to be resized: palette images may be label maps, whose colours must not be mixed."""
    return Image.Resampling.NEAREST if image.mode == "P" else Image.Resampling.BICUBIC


def centre_square(array: Array, size: int, resample: Image.Resampling = Image.Resampling.BICUBIC) -> Array:
    """Return the largest centred square of pixels (H, W, C), resized to (size, size, C)."""
    height, width = array.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize(array[top : top + side, left : left + side], size, size, resample)
