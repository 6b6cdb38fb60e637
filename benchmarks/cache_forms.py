"""Forms in which decoded training images could be kept: bytes of an image, and what it takes to have its pixels again.

    python benchmarks/cache_forms.py PHOTOS [--sides 64 256] [--images 24]

Photographs are resized as for training (short side 286/256 of the crop), written in each form, and read back; forms
without loss must give the same pixels. Beside them stands what there is without a cache: the photograph as a JPEG of
four sizes, decoded and resized. Microseconds of the processor, medians over the images.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def pillow(kind: str, **options: Any) -> tuple[Callable[[Pixels], bytes], Callable[[bytes, tuple[int, ...]], Pixels]]:
    """Return what writes and reads a form of Pillow's."""

    def write(pixels: Pixels) -> bytes:
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, kind, **options)
        return out.getvalue()

    def read(data: bytes, shape: tuple[int, ...]) -> Pixels:
        del shape
        return np.asarray(Image.open(io.BytesIO(data), formats=[kind]).convert("RGB"))

    return write, read


def deflated(level: int) -> tuple[Callable[[Pixels], bytes], Callable[[bytes, tuple[int, ...]], Pixels]]:
    """Return what writes and reads differences of neighbouring rows by zlib."""

    def write(pixels: Pixels) -> bytes:
        return zlib.compress(np.diff(pixels, axis=0, prepend=np.uint8(0)).tobytes(), level)

    def read(data: bytes, shape: tuple[int, ...]) -> Pixels:
        found = np.frombuffer(zlib.decompress(data), np.uint8).reshape(shape)
        return np.add.accumulate(found, axis=0, dtype=np.uint8)

    return write, read


FORMS = {
    "raw": (lambda pixels: pixels.tobytes(), lambda data, shape: np.frombuffer(data, np.uint8).reshape(shape).copy()),
    "differences, zlib 1": deflated(1),
    "PNG, level 1": pillow("PNG", compress_level=1),
    "PNG, level 6": pillow("PNG", compress_level=6),
    "WebP lossless, method 0": pillow("WEBP", lossless=True, quality=0, method=0, exact=True),
    "WebP lossless, method 4": pillow("WEBP", lossless=True, quality=75, method=4, exact=True),
    "WebP 95": pillow("WEBP", quality=95),
    "JPEG 95, 4:4:4": pillow("JPEG", quality=95, subsampling=0),
}
LOSSY = ("WebP 95", "JPEG 95, 4:4:4")
FILES = (320, 640, 1280, 2560)


def main() -> None:
    """Print a table for each side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--images", type=int, default=24)
    args = parser.parse_args()
    files = [path for path in sorted(args.photos.rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
    photos = []
    for path in files[:: max(1, len(files) // args.images)][: args.images]:
        with Image.open(path) as image:
            photos.append(image.convert("RGB"))
    print("| crops | form | kB an image | of raw | to write, µs | to read, µs | largest difference |")
    print("| --- " * 7 + "|")
    for side in args.sides:
        short = round(side * 286 / 256)
        images = [np.asarray(resized(photo, short)) for photo in photos]
        raw = statistics.mean(pixels.nbytes for pixels in images)
        for name, (write, read) in FORMS.items():
            row = [measured(pixels, write, read) for pixels in images]
            size, writing, reading, apart = (list(column) for column in zip(*row, strict=True))
            if name not in LOSSY and max(apart):
                raise SystemExit(f"{name}: other pixels")
            mean = statistics.mean(size)
            told = f"{statistics.median(writing):.0f} | {statistics.median(reading):.0f} | {max(apart)}"
            print(f"| {side} | {name} | {mean / 1e3:.1f} | {mean / raw:.2f} | {told} |", flush=True)
        for file in FILES:
            if file >= short:
                print(from_file(photos, file, side, short), flush=True)


def from_file(photos: list[Image.Image], file: int, side: int, short: int) -> str:
    """Return a line on decoding and resizing the file itself."""
    write, read = pillow("JPEG", quality=90)
    seconds = []
    for photo in photos:
        data = write(np.asarray(resized(photo, file)))
        begin = time.thread_time()
        np.asarray(resized(Image.fromarray(read(data, ())), short))
        seconds.append(time.thread_time() - begin)
    return f"| {side} | no cache, JPEG of {file} px | | | | {statistics.median(seconds) * 1e6:.0f} | |"


def measured(pixels: Pixels, write: Any, read: Any) -> tuple[int, float, float, int]:
    """Return bytes, microseconds to write and to read, and the largest difference."""
    begin = time.thread_time()
    data = write(pixels)
    writing = time.thread_time() - begin
    seconds = []
    for _ in range(3):
        begin = time.thread_time()
        found = read(data, pixels.shape)
        seconds.append(time.thread_time() - begin)
    apart = int(np.abs(found.astype(int) - pixels.astype(int)).max())
    return len(data), writing * 1e6, min(seconds) * 1e6, apart


def resized(image: Image.Image, short: int) -> Image.Image:
    """Return an image whose shorter side is so many pixels long."""
    scale = short / min(image.size)
    width, height = (max(short, round(extent * scale)) for extent in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


if __name__ == "__main__":
    main()
