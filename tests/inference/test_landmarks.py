"""Landmarks in Python: in pixels of images of any size."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import instar
from instar.core.errors import UserError
from instar.core.images import to_array, to_tensor
from instar.inference.translator import Translator

Runs = Callable[..., Path]
rng = np.random.default_rng(0)


def picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture
def model(run_directory: Runs) -> Translator:
    return instar.load(run_directory("transgaga"), "cpu")


@torch.no_grad()
def test_in_pixels_of_the_image(model: Translator) -> None:
    """A whole multiple needs no padding: [-1, 1] is the image."""
    image = picture(64, 32)
    x = to_tensor(to_array(image, 3))[None]
    for name, domain in ((None, "a"), ("horse", "a"), ("zebra", "b")):
        inside = model.method.landmarks(x, domain=domain)[0].numpy()  # type: ignore[operator, union-attr]
        found = model.landmarks(image, name)
        assert found == pytest.approx((inside + 1) / 2 * (64, 32), abs=1e-4)
        assert (found > 0).all()
        assert (found < (64, 32)).all()


def test_padding_does_not_move_them(model: Translator) -> None:
    """What is added to the right and below has no part in the places: they are those of the padded image."""
    image = picture(50, 40)
    pixels = np.pad(np.asarray(image), ((0, 24), (0, 14), (0, 0)), mode="reflect")
    assert model.landmarks(image) == pytest.approx(model.landmarks(Image.fromarray(pixels)), abs=1e-4)
    _, drawn = model.moved([image], "zebra")
    _, padded = model.moved([Image.fromarray(pixels)], "zebra")
    assert drawn == pytest.approx(padded, abs=1e-4)


def test_a_move_is_in_half_sides_of_the_image(model: Translator) -> None:
    """Also where the image is padded, or worked on at another size."""
    image, by = picture(50, 40), np.zeros((4, 2), np.float32)
    by[1] = 0.2, -0.1
    for size in (None, 32):
        _, before = model.moved([image], "horse", source="horse", size=size)
        made, after = model.moved([image], "horse", by, source="horse", size=size)
        assert made[0].size == (50, 40)
        assert after - before == pytest.approx(by[None] * (25, 20), abs=1e-4)
        assert before[0] == pytest.approx(model.landmarks(image, "horse", size=size), abs=1e-4)


def test_each_image_may_move_by_its_own(model: Translator) -> None:
    images = [picture(40, 40), picture(40, 40)]
    by = np.zeros((2, 4, 2), np.float32)
    by[1, 0] = 0.3
    both, _ = model.moved(images, "zebra", by)
    plain = model.images(images, "zebra")
    assert np.abs(np.asarray(both[0]).astype(int) - np.asarray(plain[0])).max() <= 1
    assert both[1].tobytes() != plain[1].tobytes()


def test_moved_by_nothing_is_translated(model: Translator) -> None:
    image = picture(50, 40).convert("L")
    (made,), _ = model.moved([image], "zebra")
    assert made.tobytes() == model.translate(image).tobytes()
    style = model.styles(1)[0]
    (made,), _ = model.moved([image], "zebra", style=style)
    assert made.tobytes() == model.translate(image, style=style).tobytes()


def test_methods_without_landmarks(run_directory: Runs) -> None:
    model = instar.load(run_directory("cyclegan"), "cpu")
    for ask in (lambda: model.landmarks(picture(32, 32)), lambda: model.moved([picture(32, 32)], "zebra")):
        with pytest.raises(UserError, match="cyclegan has no landmarks"):
            ask()


def test_an_appearance_for_each(model: Translator) -> None:
    images, styles = [picture(40, 40), picture(40, 40)], model.styles(2)
    both, _ = model.moved(images, style=styles)
    for image, style, made in zip(images, styles, both, strict=True):
        (alone,), _ = model.moved([image], style=style)
        assert np.abs(np.asarray(alone).astype(int) - np.asarray(made)).max() <= 1


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (np.zeros((3, 2)), r"expected a move of all landmarks, \(4, 2\) or \(1, 4, 2\), got \(3, 2\)"),
        (np.zeros(2), r"got \(2,\)"),
        (np.zeros((2, 4, 2)), r"got \(2, 4, 2\)"),
        (np.full((4, 2), np.nan), "holds NaN"),
        (np.inf, "holds NaN or infinity"),
    ],
)
def test_moves_that_are_none(by: np.ndarray, message: str, model: Translator) -> None:
    with pytest.raises(ValueError, match=message):
        model.moved([picture(32, 32)], by=by)


def test_domains_that_are_not_there(model: Translator) -> None:
    with pytest.raises(UserError, match=r"^of=cow: this model translates to horse or zebra$"):
        model.landmarks(picture(32, 32), "cow")
    with pytest.raises(UserError, match=r"^source=cow: "):
        model.moved([picture(32, 32)], source="cow")
