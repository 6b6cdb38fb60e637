from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import instar
from instar.core.errors import UserError
from instar.inference.attention import overlay

Runs = Callable[..., Path]
rng = np.random.default_rng(0)


@pytest.mark.parametrize("light", [True, False])
@pytest.mark.parametrize("to", [None, "horse"])
def test_a_map_of_the_size_of_the_image(light: bool, to: str | None, run_directory: Runs) -> None:
    """Also where the networks take images of one size only."""
    model = instar.load(run_directory("ugatit", light=light), "cpu")
    image = Image.fromarray(rng.integers(0, 256, (36, 50, 3), dtype=np.uint8))
    seen = model.attention(image, to)
    assert (seen.shape, seen.dtype) == ((36, 50), np.float32)
    assert 0 <= seen.min() < seen.max() <= 1


def test_methods_without_attention(run_directory: Runs) -> None:
    with pytest.raises(UserError, match="cyclegan has no map of its attention"):
        instar.load(run_directory("cyclegan"), "cpu").attention(Image.new("RGB", (32, 32)))


def test_attention_that_settings_took_away(run_directory: Runs) -> None:
    """The class has the function; this model does not."""
    model = instar.load(run_directory("ugatit", attention="none"), "cpu")
    with pytest.raises(UserError, match="ugatit has no map of its attention"):
        model.attention(Image.new("RGB", (32, 32)))


def test_overlay() -> None:
    """Gray under the map: blue at 0, green at a half, red at 1."""
    attention = np.array([[0.0, 0.5, 1.0]])
    shown = np.asarray(overlay(Image.new("RGB", (3, 1), (0, 0, 0)), attention)).astype(int)[0]
    assert [int(colour.argmax()) for colour in shown] == [2, 1, 0]
