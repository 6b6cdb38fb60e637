"""One input, several outputs: outlines that are filled with one of three colours, by chance."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from instar.core.batch import Paired
from instar.core.images import to_tensor
from instar.core.method import Method
from instar.testing.runs import NoiseStream, build, tiny, trainer

SIDE, SAMPLES, HELD_OUT = 32, 20, 5
RED, YELLOW, MAGENTA = (230, 40, 40), (230, 200, 40), (230, 40, 200)
COLOURS = (RED, YELLOW, MAGENTA)
"""Red is the median of the three in every channel: the colour with the least L1 on average."""
PALETTE = torch.tensor(COLOURS) / 127.5 - 1
NEAR = 0.5 * 160 / 127.5
"""Half the distance from red to the others: what is nearer to a colour is of that colour."""


@dataclass(frozen=True)
class Toy:
    """An outline, the same filled with a colour, which colour, and where its middle is."""

    outline: Tensor
    filled: Tensor
    colour: int
    middle: tuple[slice, slice]


def toy(index: int) -> Toy:
    chance = np.random.default_rng([3, index])
    width, height = chance.integers(12, 22, 2)
    left, top = chance.integers(2, SIDE - 2 - width), chance.integers(2, SIDE - 2 - height)
    round_, colour = bool(chance.integers(2)), int(chance.integers(3))
    images = []
    for fill in ((255, 255, 255), COLOURS[colour]):
        image = Image.new("RGB", (SIDE, SIDE), "white")
        draw = ImageDraw.Draw(image)
        shape = draw.ellipse if round_ else draw.rectangle
        shape((left, top, left + width, top + height), fill=fill, outline="black", width=2)
        images.append(to_tensor(np.asarray(image)))
    y, x = top + height // 2, left + width // 2
    return Toy(*images, colour, (slice(y - 2, y + 2), slice(x - 2, x + 2)))


@dataclass
class Toys:
    """A source of training pairs, none twice."""

    size: int
    epoch_length: int = 100

    def batch(self, step: int) -> Paired:
        toys = [toy(step * self.size + i) for i in range(self.size)]
        return Paired(torch.stack([t.outline for t in toys]), torch.stack([t.filled for t in toys]))

    def stream(self, start_step: int) -> NoiseStream:
        return NoiseStream(self, start_step)  # type: ignore[arg-type]


def trained(folder: Path, seed: int, steps: int, **options: Any) -> Method[Any]:
    config = tiny("bicyclegan", {"steps": steps, "batch": 8, "seed": seed}, width=16, optim={"lr": 1e-3}, **options)
    play = trainer(config, folder, build(config, seed), Toys(8))  # type: ignore[arg-type]
    for step in range(steps):
        play.train_step(play.source.batch(step))
    assert play.bad_steps == 0
    return play.method.eval()


@torch.no_grad()
def fills(method: Any, held_out: Toy, style: Tensor) -> Tensor:
    """The mean colours (N, 3) in the middle of an outline translated with styles (N, S)."""
    pictures = method.translate(held_out.outline.expand(len(style), -1, -1, -1), style=style)
    return pictures[:, :, held_out.middle[0], held_out.middle[1]].mean((2, 3))


def colours(found: Tensor) -> set[int]:
    """Which colours of the palette are among colours (N, 3); what is near none of them is none."""
    distance, nearest = torch.cdist(found, PALETTE).min(1)
    return set(nearest[distance < NEAR].tolist())


def held_out() -> list[Toy]:
    return [toy(10**6 + i) for i in range(HELD_OUT)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_bicyclegan_fills_with_several_colours(tmp_path: Path, seed: int) -> None:
    """At least two over 20 random styles, on every outline; a style read from a picture gives that picture's colour."""
    method: Any = trained(tmp_path, seed, 1000)
    torch.manual_seed(0)
    for outline in held_out():
        assert len(colours(fills(method, outline, method.sample_style(SAMPLES)))) >= 2
    references = [toy(2 * 10**6 + i) for i in range(30)]
    with torch.no_grad():
        styles = method.encode_style(torch.stack([reference.filled for reference in references]))
    hits = [
        colours(fills(method, outline, style[None])) == {reference.colour}
        for outline in held_out()
        for reference, style in zip(references, styles, strict=True)
    ]
    assert sum(hits) >= 0.8 * len(hits)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_pix2pix_with_noise_fills_with_one_colour(tmp_path: Path, seed: int) -> None:
    """At the λ of pix2pix's paper. At BicycleGAN's, a toy as simple as this one does not hide the noise for certain."""
    method: Any = trained(tmp_path, seed, 600, mode="pix2pix", inject="input", l1=100.0)
    torch.manual_seed(0)
    for outline in held_out():
        found = fills(method, outline, method.sample_style(SAMPLES))
        assert colours(found) == {0}
        assert torch.cdist(found, found).max() < NEAR


def test_the_toys() -> None:
    """The input tells nothing of the colour, and the truth has all three."""
    toys = [toy(i) for i in range(60)]
    assert {t.colour for t in toys} == {0, 1, 2}
    for t in toys:
        rows, columns = t.middle
        assert colours(t.filled[:, rows, columns].mean((1, 2))[None]) == {t.colour}
        assert t.outline[:, rows, columns].min() == 1
        assert torch.equal(t.outline[0], t.outline[1])
