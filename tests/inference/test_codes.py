from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

import instar
from instar.core.errors import UserError

Runs = Callable[..., Path]
rng = np.random.default_rng(0)


def picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("name", ["unit", "transgaga"])
@pytest.mark.parametrize("to", ["zebra", "horse"])
def test_the_way_begins_and_ends_with_translations(name: str, to: str, run_directory: Runs) -> None:
    model, image, other = instar.load(run_directory(name), "cpu"), picture(32, 32), picture(50, 40)
    frames = model.between(image, other, to, count=3)
    ends = model.translate([image, ImageOps.fit(other, image.size)], to)
    for frame, end in ((frames[0], ends[0]), (frames[2], ends[1])):
        assert np.abs(np.asarray(frame).astype(int) - np.asarray(end)).max() <= 1
    assert frames[1].tobytes() not in (frames[0].tobytes(), frames[2].tobytes())


def test_networks_of_one_size(run_directory: Runs) -> None:
    """What they draw has the size of the image."""
    model = instar.load(run_directory("unit-adaptation"), "cpu")
    frames = model.between(picture(70, 45), picture(20, 20), count=2)
    assert [frame.size for frame in frames] == [(70, 45)] * 2


def test_refused(run_directory: Runs) -> None:
    with pytest.raises(UserError, match="cyclegan has no code that both domains share"):
        instar.load(run_directory("cyclegan"), "cpu").between(picture(32, 32), picture(32, 32), count=2)
    with pytest.raises(UserError, match="count must be at least 2, not 1"):
        instar.load(run_directory("unit"), "cpu").between(picture(32, 32), picture(32, 32), count=1)
