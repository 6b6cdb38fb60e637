"""Every method in tiles is the method on the whole image, or says in a line that it cannot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from methods.parts import CLASSIFIERS
from PIL import Image
from torch import Tensor

import instar
from instar.core import registry
from instar.core.errors import UserError
from instar.inference.translator import Translator

Runs = Callable[..., Path]
CANNOT = dict.fromkeys(("i2sb", "transgaga"), "this method cannot be run in tiles, it needs 150 x 101 px at once")
"""Attention looks at all places; landmarks are means over a softmax of all pixels."""
ONE_SIZE = ("unit-adaptation",)
"""Takes squares of one size, to which images are squeezed: there is nothing to tile."""
INSTEAD: dict[str, dict[str, Any]] = {"spade": {"norm": "instance"}}
"""Of methods whose pictures are black and white where their running averages are of no training."""
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    *((name, INSTEAD.get(name, {})) for name in registry.names() if name not in (*CANNOT, *CLASSIFIERS)),
    ("cyclegan", {"antialias": True, "skip": True}),
    ("pix2pix", {"test_noise": True}),
    ("pix2pix", {"test_noise": False, "norm": "instance"}),
    ("ugatit", {"attention": "none"}),
    ("ugatit", {"norm": "layer"}),
]


@torch.no_grad()
def lively(run: Path) -> Translator:
    """A model whose pictures have contrast: some methods start with almost flat ones, in which nothing can differ."""
    model: Translator = instar.load(run, "cpu")
    torch.manual_seed(0)
    for weight in model.method.parameters():
        if weight.dim() > 1:
            torch.nn.init.kaiming_normal_(weight)
    return model


def picture(seed: int = 0) -> Tensor:
    """An image (3, 101, 150) whose parts have other means and contrasts than the whole."""
    noise = torch.rand(3, 101, 150, generator=torch.Generator().manual_seed(seed))
    slope = torch.linspace(-1, 1, 101)[:, None]
    return (slope + (noise - 0.5) * (1.2 - slope.abs())).clamp(-1, 1)


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)
def test_tiles_equal_the_whole(name: str, options: dict[str, Any], run_directory: Runs) -> None:
    model = lively(run_directory(name, **options))
    x = picture()[: model.channels]
    for to in model.targets:
        whole = model.translate(x, to, seed=3)
        tiled = model.translate(x, to, seed=3, tile=64)
        assert 127.5 * whole.std() > 3
        assert 127.5 * (tiled - whole).abs().max() < 0.1  # of a grey level; 1 is what is promised
        if name not in ONE_SIZE:
            assert not torch.equal(tiled, whole), "it was not computed in tiles"


def test_pieces_that_are_translated_alone_are_something_else(run_directory: Runs) -> None:
    """The test above can fail: statistics of a piece are not those of the whole."""
    model = instar.load(run_directory("cyclegan"), "cpu")
    x = picture()
    whole, piece = model.translate(x), model.translate(x[:, :48])
    assert 127.5 * (whole[:, :40] - piece[:, :40]).abs().mean() > 5


@pytest.mark.parametrize("name", CANNOT)
def test_a_method_that_cannot_says_so(name: str, run_directory: Runs) -> None:
    model = instar.load(run_directory(name), "cpu")
    with pytest.raises(UserError) as error:
        model.translate(picture(), tile=64)
    assert CANNOT[name] in str(error.value)
    assert "\n" not in str(error.value)


def test_styles_and_batches_of_unequal_images(run_directory: Runs) -> None:
    model = instar.load(run_directory("munit"), "cpu")
    styles = model.styles(3, seed=1)
    images = [Image.fromarray(np.uint8(127.5 * (picture(i).permute(1, 2, 0).numpy() + 1))) for i in range(3)]
    images[1] = images[1].resize((120, 80))
    whole, tiled = (model.translate(images, style=styles, tile=tile) for tile in (None, 64))
    for one, other in zip(whole, tiled, strict=True):
        assert np.abs(np.int16(one) - np.int16(other)).max() <= 1
    batch = torch.stack([picture(0), picture(1)])
    out = model.translate(batch, style=styles[:2], tile=64)
    assert 127.5 * (out - model.translate(batch, style=styles[:2])).abs().max() < 0.1


def test_any_size_in_tiles(run_directory: Runs) -> None:
    """Padding to what the networks need is that of the whole image, at its borders only."""
    model = instar.load(run_directory("pix2pix"), "cpu")
    for height, width in [(65, 64), (71, 97), (64, 200), (300, 17)]:
        x = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1
        assert 127.5 * (model.translate(x, tile=64) - model.translate(x)).abs().max() < 0.1, (height, width)


def test_images_within_a_tile_are_translated_as_ever(run_directory: Runs) -> None:
    model: Translator = instar.load(run_directory("cyclegan"), "cpu")
    x = picture()[:, :64, :64]
    assert torch.equal(model.translate(x, tile=64), model.translate(x))
    assert torch.equal(model.translate(picture(), tile="auto"), model.translate(picture()))
