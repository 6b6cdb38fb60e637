from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import instar
from instar.core.errors import UserError
from instar.inference.styles import slerp, style_path

Runs = Callable[..., Path]
rng = np.random.default_rng(0)
STYLED = ["bicyclegan", "munit", "transgaga", "tunit"]


def picture(width: int = 40, height: int = 32) -> Image.Image:
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("t", [0.0, 0.25, 0.5, 1.0])
def test_slerp(t: float) -> None:
    """Between two unit vectors at a right angle: cosine and sine of the share of it."""
    first, last = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    angle = torch.tensor(t * torch.pi / 2)
    torch.testing.assert_close(slerp(first, last, t), torch.stack([angle.cos(), angle.sin()]))
    torch.testing.assert_close(slerp(first, 3 * first, t), (1 + 2 * t) * first)
    assert slerp(torch.zeros(2), last, t).isfinite().all()


@pytest.mark.parametrize(
    ("name", "middle"), [("bicyclegan", 2**-0.5), ("munit", 2**-0.5), ("transgaga", 2**-0.5), ("tunit", 0.5)]
)
def test_ways_are_arcs_where_styles_are_normal(name: str, middle: float, run_directory: Runs) -> None:
    """Half way between (1, 0) and (0, 1): on the circle, or on the line for styles that are read from images."""
    model = instar.load(run_directory(name), "cpu")
    first, last = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    way = torch.stack(style_path(model, first, last, 3))
    expected = torch.tensor([[1.0, 0.0], [middle, middle], [0.0, 1.0]])
    torch.testing.assert_close(way, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", STYLED)
def test_the_first_styles_do_not_depend_on_their_number(name: str, run_directory: Runs) -> None:
    model = instar.load(run_directory(name), "cpu")
    three = model.styles(3, seed=4)
    assert torch.equal(model.styles(1, seed=4), three[:1])
    assert not torch.equal(three[0], three[1])
    assert not torch.equal(model.styles(1, seed=5), three[:1])


@pytest.mark.parametrize("name", ["bicyclegan", "munit", "tunit"])
def test_the_first_style_is_the_one_that_is_drawn(name: str, run_directory: Runs) -> None:
    model, image = instar.load(run_directory(name), "cpu"), picture()
    drawn = model.translate(image, seed=4, style=model.styles(1, seed=4)[0])
    assert model.translate(image, seed=4).tobytes() == drawn.tobytes()


@pytest.mark.parametrize("name", STYLED)
def test_one_style_for_each_image(name: str, run_directory: Runs) -> None:
    """For lists of unequal sizes, tensors and arrays; a style may be an array."""
    model, images = instar.load(run_directory(name), "cpu"), [picture(), picture(32, 40), picture()]
    styles = model.styles(3, seed=1)
    alone = [np.asarray(model.translate(one, style=s)).astype(int) for one, s in zip(images, styles, strict=True)]
    for given in (styles, styles.double(), styles.numpy()):
        together = model.translate(images, style=given)
        assert max(np.abs(one - np.asarray(two)).max() for one, two in zip(alone, together, strict=True)) <= 1
    arrays = np.stack([np.asarray(images[0]), np.asarray(images[2])])
    made = model.translate(arrays, style=styles[[0, 2]], batch=1)
    assert np.abs(made - np.stack([alone[0], alone[2]])).max() <= 1
    assert np.abs(made[0].astype(int) - made[1]).max() > 1


@pytest.mark.parametrize("name", ["munit", "tunit"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s[0][:-1], r"expected a float style \(\d+,\) or \(3, \d+\), got torch.float32 \(\d+,\)"),
        (lambda s: s[:2], r"got torch.float32 \(2, \d+\)"),
        (lambda s: s[0].long(), "got torch.int64"),
        (lambda s: s[0] * torch.nan, "holds NaN or infinity"),
        (lambda s: s / 0.0, "holds NaN or infinity"),
    ],
)
def test_styles_that_are_none(
    name: str, change: Callable[[torch.Tensor], torch.Tensor], message: str, run_directory: Runs
) -> None:
    model = instar.load(run_directory(name), "cpu")
    with pytest.raises(ValueError, match=message):
        model.translate([picture()] * 3, style=change(model.styles(3)))


def test_styles_that_cannot_be_read(run_directory: Runs) -> None:
    """pix2pix with noise draws styles and has no encoder."""
    model = instar.load(run_directory("bicyclegan", mode="pix2pix"), "cpu")
    assert len(model.styles(3)) == 3
    with pytest.raises(UserError, match="cannot read one from an image, as it was trained"):
        model.style_of(picture())


def test_refused(run_directory: Runs) -> None:
    model = instar.load(run_directory("cyclegan"), "cpu")
    for ask in (
        lambda: model.styles(1),
        lambda: model.style_of(picture()),
        lambda: model.translate(picture(), style=torch.zeros(8)),
    ):
        with pytest.raises(UserError, match="cyclegan has no styles: it has one translation for an image"):
            ask()
    with pytest.raises(UserError, match=r"^count must be at least 1, not 0$"):
        instar.load(run_directory("munit"), "cpu").styles(0)
