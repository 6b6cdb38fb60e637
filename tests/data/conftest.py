"""Small data sets on disk."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write noise images: make("trainA/1.png", "trainB/2.png", size=(40, 30))."""
    rng = np.random.default_rng(0)

    def write(*names: str, size: tuple[int, int] = (20, 16)) -> Path:
        root = tmp_path / "set"
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in (".png", ".jpg"):
                Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(path)
            else:
                path.touch()
        return root

    return write
