"""Small stand-ins: an extractor of mean colours, and folders of noise."""

from pathlib import Path

import numpy as np
from PIL import Image
from torch import nn

from instar.metrics.extractors import Extractor


def colours(weights: Path | None = None) -> nn.Module:
    """Mean colours of the four quarters: (N, 3, H, W) to (N, 12)."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())


def extractor() -> Extractor:
    return Extractor(colours(), "Colours", "means of quarters")


def noise(folder: Path, count: int, low: int = 0, high: int = 256, side: int = 32, suffix: str = "png") -> Path:
    """Write `count` different images 0.png, 1.png, ...; the same call writes the same images."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng((low, high, count))
    for i in range(count):
        # A shade of its own for each image: means of noise alone would be nearly equal.
        shade = rng.integers(low, high, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(shade).resize((side, side), Image.Resampling.NEAREST).save(folder / f"{i}.{suffix}")
    return folder


def data_set(root: Path, train: int = 6, test: int = 12) -> Path:
    """Dark and light domains, with test folders."""
    for domain, low in (("horse", 0), ("zebra", 150)):
        noise(root / "train" / domain, train, low, low + 100)
        noise(root / "test" / domain, test, low, low + 100)
    return root
