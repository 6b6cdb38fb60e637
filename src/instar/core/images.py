"""Image files to arrays and tensors, and back to files of the same kind."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from instar.core.errors import UserError

Array = NDArray[np.uint8] | NDArray[np.uint16]
"""Pixels (H, W, C); 16 bit where the file has 16 bit."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm"})
MAX_PIXELS = 10**9
# Pillow refuses from 0.18 gigapixels on, which scans and satellite images reach.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in gray: ITU-R 601, as Pillow uses them."""
STRIP = 256
"""Rows that are converted at a time."""
_WIDE = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I", "F"})
_SAVE_OPTIONS = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}}


class UnreadableImage(UserError):  # noqa: N818 (it is a UserError)
    """A file that is no image, or only half of one."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def read(path: Path) -> Image.Image:
    """Decode the first frame of an image file and turn it upright as its EXIF data say.

    16-bit colour files lose their lower 8 bits: Pillow has no mode for them.

    Raises:
        UnreadableImage: missing, empty, truncated, no image, above a gigapixel, or of values that fit no range.
    """
    try:
        with Image.open(path) as image:
            _check_size(path, image)
            image.load()
            upright = ImageOps.exif_transpose(image)
    except UnreadableImage:
        raise
    except Exception as error:  # broken files make Pillow's decoders raise nearly anything
        raise UnreadableImage(path, _reason(path, error)) from error
    top = {"I": 65535, "F": 1}.get(upright.mode)
    if top is not None:
        values = np.asarray(upright)
        low, high = values.min(), values.max()
        if not (low >= 0 and high <= top):
            kind = "32-bit integers" if upright.mode == "I" else "floating-point numbers"
            raise UnreadableImage(path, f"holds {kind} from {low:g} to {high:g}; only 0 to {top} is read")
    return upright


def probe(path: Path) -> tuple[int, int, bool]:
    """Return upright width, height and whether it is a 16-bit image, from the file's header only.

    Raises:
        UnreadableImage: no header. The pixels after a good header may still turn out broken.
    """
    try:
        with Image.open(path) as image:
            _check_size(path, image)
            # The size of a TIFF is upright already, and for the EXIF block of a PNG its pixels must be decoded.
            turned = image.format in ("JPEG", "MPO", "WEBP") and image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            width, height = image.size[::-1] if turned else image.size
            return width, height, image.mode in _WIDE
    except UnreadableImage:
        raise
    except Exception as error:  # as in `read`
        raise UnreadableImage(path, _reason(path, error)) from error


def to_array(image: Image.Image, channels: int) -> Array:
    """Return the pixels (H, W, channels), uint8, or uint16 for 16-bit gray.

    Transparent pixels are laid over white. Colour becomes gray by its luminance, gray becomes equal channels.
    Float images in [0, 1] become 16 bit.

    Args:
        image: of any mode.
        channels: 1 or 3.
    """
    if image.mode in _WIDE:
        values = np.asarray(image)
        scaled = np.rint(values * 65535.0) if image.mode == "F" else values
        gray = np.clip(scaled, 0, 65535).astype(np.uint16)
        return np.repeat(gray[:, :, None], channels, axis=2)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    elif image.mode not in ("1", "L"):
        image = image.convert("RGB")
    pixels: NDArray[np.uint8] = np.asarray(image.convert("L" if channels == 1 else "RGB"))
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
    if like.mode in _WIDE:
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

    JPEG and WebP are written at quality 95; a colour profile in `image.info` is kept.

    Raises:
        UserError: the format cannot hold the image's mode, or the folder cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"cannot write {path}: {path.suffix or 'no suffix'} is none of {', '.join(sorted(SUFFIXES))}")
    kind = Image.registered_extensions()[path.suffix.lower()]
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        options = dict(_SAVE_OPTIONS.get(kind, {}))
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


def list_images(folder: Path, recursive: bool) -> list[Path]:
    """Return the image files of `folder` by suffix, "2.jpg" before "10.jpg"; hidden ones are left out."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if recursive and is_visible(name)]
        found += [Path(place, name) for name in files if is_visible(name) and Path(name).suffix.lower() in SUFFIXES]
    return sorted(found, key=natural)


def is_visible(name: str) -> bool:
    """Tell whether a file or folder is the user's, not the system's."""
    return not name.startswith(".") and name != "__MACOSX"


def natural(path: Path) -> tuple[list[list[str | int]], str]:
    """Sort key that counts numbers in names by their value."""
    parts = [re.split(r"(\d+)", part.casefold()) for part in path.parts]
    return [[int(word) if i % 2 else word for i, word in enumerate(words)] for words in parts], str(path)


def _check_size(path: Path, image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableImage(path, f"{image.width} x {image.height} pixels; at most a gigapixel is read")


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return "more than a gigapixel"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, UnidentifiedImageError):
        return "not an image" if path.stat().st_size else "the file is empty"
    words = (getattr(error, "strerror", None) or str(error) or type(error).__name__).split()
    return " ".join(words)
