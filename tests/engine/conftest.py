"""Data sets with masks, and graphs without a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.graphs import Graphs
from instar.engine import calls, computing


@pytest.fixture
def make_masked(tmp_path: Path) -> Callable[..., Path]:
    """Write two domains of noise images with masks of rectangles; `outside` is the gray around these."""

    def write(name: str, outside: int = 0, inset: int = 8, split: str = "train") -> Path:
        rng = np.random.default_rng(0)
        for domain in "AB":
            for number in range(6):
                pixels = rng.integers(0, 256, (36, 44, 3), dtype=np.uint8)
                mask = np.zeros((36, 44), np.uint8)
                mask[inset : 36 - inset, inset : 44 - inset] = 255
                pixels[mask == 0] = outside
                for folder, array in ((f"{split}{domain}", pixels), (f"{split}{domain}_mask", mask)):
                    (tmp_path / name / folder).mkdir(parents=True, exist_ok=True)
                    Image.fromarray(array).save(tmp_path / name / folder / f"{number}.png")
        return tmp_path / name

    return write


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Graphs]:
    """As if a CPU had CUDA graphs."""
    found = Graphs()
    monkeypatch.setattr(calls, "GRAPHS", found)
    monkeypatch.setattr(computing, "GRAPHED", "cpu")
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", found.begin)
    yield found
    torch.compiler.reset()
