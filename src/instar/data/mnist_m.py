"""MNIST-M: digits over photographs, each pixel the difference of the two (Ganin and Lempitsky 2015).

    python -m instar.data.mnist_m MNIST PHOTOGRAPHS OUT.npz

writes a data set that opens like MNIST itself: digit i of it is digit i of MNIST over a patch of a photograph. The
same files give the same pixels on every machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instar.core.errors import UserError
from instar.core.files import temporary_beside
from instar.core.images import viewable
from instar.core.listing import list_images
from instar.core.raster import Raster
from instar.core.reading import read
from instar.data import digits

EVERY = 5
"""Each fifth photograph is for test digits alone."""


def blend(numbers: NDArray[np.uint8], photographs: Sequence[NDArray[np.uint8]], seed: int = 0) -> NDArray[np.uint8]:
    """Return |patch - digit| for each digit, over a random patch of a random photograph.

    Args:
        numbers: digits (N, H, W), light on dark.
        photographs: pixels (H', W', 3), each at least H x W.
        seed: of the choice. The patch of a digit depends on the seed and its place alone.

    Returns:
        Pixels (N, H, W, 3).
    """
    count, height, width = numbers.shape
    out = np.empty((count, height, width, 3), np.uint8)
    draws = np.random.default_rng(seed).random((count, 3))
    for i, (which, down, right) in enumerate(draws):
        photograph = photographs[int(which * len(photographs))]
        top = int(down * (photograph.shape[0] - height + 1))
        left = int(right * (photograph.shape[1] - width + 1))
        patch = photograph[top : top + height, left : left + width].astype(np.int16)
        out[i] = np.abs(patch - numbers[i][:, :, None])
    return out


def write(mnist: Path, photographs: Path, out: Path) -> None:
    """Blend all digits of a data set with the photographs of a folder, and write them as one .npz file.

    Raises:
        UserError: there are no digits, or too few photographs, or the file cannot be written.
    """
    found = digits.at(mnist)
    if found is None or found.test is None:
        raise UserError(f"{mnist}: not the files of MNIST with its test digits")
    files = list_images(photographs, recursive=True) if photographs.is_dir() else []
    if len(files) < EVERY:
        raise UserError(f"{photographs}: {len(files)} photographs; at least {EVERY} are needed")
    if out.suffix != ".npz":
        raise UserError(f"{out}: name a file that ends with .npz")
    pixels = _photographs(files, *digits.pixels(found.train.images, found.train.array).shape[1:3])
    arrays: dict[str, NDArray[np.uint8]] = {}
    for split, part in (("train", found.train), ("test", found.test)):
        chosen = [photo for i, photo in enumerate(pixels) if (i % EVERY == EVERY - 1) == (split == "test")]
        arrays[f"x_{split}"] = blend(digits.pixels(part.images, part.array), chosen, seed=int(split == "test"))
        arrays[f"y_{split}"] = np.array([int(label) for label in digits.labels(part)], np.uint8)
    part_file = temporary_beside(out).with_suffix(".npz")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        np.savez(part_file, **arrays)  # type: ignore[arg-type]
        part_file.replace(out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        part_file.unlink(missing_ok=True)


def _photographs(files: Sequence[Path], height: int, width: int) -> list[NDArray[np.uint8]]:
    pixels = []
    for path in files:
        picture = read(path)
        image = (viewable(picture) if isinstance(picture, Raster) else picture).convert("RGB")
        if image.height < height or image.width < width:
            raise UserError(f"{path} is {image.width} x {image.height}: too small for digits of {width} x {height}")
        pixels.append(np.asarray(image))
    return pixels


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m instar.data.mnist_m", description="Make MNIST-M.")
    parser.add_argument("mnist", type=Path, help="folder of MNIST's four files, or another data set of gray digits")
    parser.add_argument("photographs", type=Path, help="folder of photographs, each at least as large as a digit")
    parser.add_argument("out", type=Path, help="file to write, .npz")
    given = parser.parse_args(arguments)
    try:
        write(given.mnist, given.photographs, given.out)
    except UserError as error:
        parser.exit(2, f"instar: {error}\n")
    return 0


if __name__ == "__main__":
    main()
