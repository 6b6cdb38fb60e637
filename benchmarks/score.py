"""Print MobileNet-FD and MobileNet-KID of a folder of translations against a folder of real images.

python benchmarks/score.py --features FILE.npz --images TRANSLATIONS --reference REAL --size 64

Both sides are cropped to the centre square and resized (bicubic) to --size, the size the model works at; without
--size whole files are used as they are. Numbers compare only at the same size and the same counts of images.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from instar.metrics.features import MobileNetFeatures, extract
from instar.metrics.frechet import frechet_distance
from instar.metrics.kid import kernel_distance, kernel_distance_interval

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


def read(path: Path, size: int | None) -> Tensor:
    """Return the image as (1, 3, H, W) in [-1, 1]; centre square at `size` unless that is None."""
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file).convert("RGB")
    if size is not None:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 127.5 - 1


def batches(folder: Path, size: int | None, length: int = 20) -> Iterator[Tensor]:
    """Yield all images of `folder` in batches of `length`, one by one where their sizes may differ."""
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    step = 1 if size is None else length
    for start in range(0, len(files), step):
        yield torch.cat([read(p, size) for p in files[start : start + step]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True, help="MobileNetV2 0.35 weights, .npz in Keras names")
    parser.add_argument("--images", type=Path, required=True, help="folder of translations")
    parser.add_argument("--reference", type=Path, required=True, help="folder of real images of the target domain")
    parser.add_argument("--size", type=int, help="side to which both are brought first; left out: files as they are")
    given = parser.parse_args()

    network = MobileNetFeatures.load(given.features)
    x = extract(network, batches(given.images, given.size))
    y = extract(network, batches(given.reference, given.size))
    low, high = kernel_distance_interval(x, y)
    print(f"images         {len(x)} against {len(y)}, {f'at {given.size}' if given.size else 'as they are'}")
    print(f"MobileNet-FD   {frechet_distance(x, y):.1f}")
    print(f"MobileNet-KID  {kernel_distance(x, y):.3f}  (95 % interval {low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
