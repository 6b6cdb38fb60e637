"""Two species of drawn animals that differ in the length of their necks, with everything about them known.

The same on every machine. `write` makes folders of it, for any method: `python -c "from methods.species import write"`.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from instar.core.batch import Unpaired
from instar.core.images import to_tensor
from instar.testing.runs import NoiseStream

Species = Literal["a", "b"]
NECKS: dict[Species, tuple[float, float]] = {"a": (0.10, 0.20), "b": (0.35, 0.50)}
"""Lengths in half sides of the image."""
_SCALE = 4
"""Drawn this much larger and shrunk, for smooth edges."""


@dataclass(frozen=True)
class Animal:
    """An animal, and the truth about it. Places are (x, y) in [-1, 1], x to the right and y down."""

    image: Image.Image
    mask: Image.Image
    """255 where the animal is."""
    body: tuple[float, float]
    head: tuple[float, float]
    neck: float
    angle: float
    """Radians, of the whole animal."""
    colour: tuple[float, float, float]
    """Of the body, in [-1, 1]."""


def animal(species: Species, index: int, size: int = 64) -> Animal:
    """Draw animal `index` of a species. Everything but the neck is distributed alike in both."""
    chance = np.random.default_rng([11, "ab".index(species), index])
    angle, hue = chance.uniform(-0.35, 0.35), chance.uniform(0, 1)
    x, y = chance.uniform(-0.3, 0.1), chance.uniform(0.05, 0.35)
    neck = chance.uniform(*NECKS[species])
    cos, sin = np.cos(angle), np.sin(angle)

    def place(right: float, down: float) -> tuple[float, float]:
        return x + cos * right - sin * down, y + sin * right + cos * down

    root = (0.24, -0.10)
    head = (root[0] + 0.5 * neck, root[1] - 0.866 * neck)
    colour = np.array(colorsys.hsv_to_rgb(hue, 0.8, 0.9))
    side = size * _SCALE
    picture, mask = Image.fromarray(_background(chance, side)), Image.new("L", (side, side))
    for target, shades in ((picture, colour), (mask, None)):
        pen = _Pen(ImageDraw.Draw(target), side, shades)
        for leg in (-0.24, -0.12, 0.12, 0.24):
            pen.line(place(leg, 0.05), place(leg, 0.42), 0.06, 0.6)
        pen.line(place(*root), place(*head), 0.11, 0.8)
        pen.polygon([place(0.32 * np.cos(t), 0.17 * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 48)], 1.0)
        pen.polygon([_around(place(*head), 0.11, t) for t in np.linspace(0, 2 * np.pi, 32)], 0.6)
    small = [one.resize((size, size), Image.Resampling.BOX) for one in (picture, mask)]
    r, g, b = (2 * colour - 1).tolist()
    return Animal(small[0], small[1], place(0, 0), place(*head), float(neck), float(angle), (r, g, b))


def _around(middle: tuple[float, float], radius: float, t: float) -> tuple[float, float]:
    return middle[0] + radius * np.cos(t), middle[1] + radius * np.sin(t)


def _background(chance: np.random.Generator, side: int) -> np.ndarray:
    """Light gray, a little darker towards one side."""
    rows, columns = np.mgrid[0:side, 0:side] / side
    slope = chance.uniform(-0.08, 0.08, 2)
    gray = 0.85 + slope[0] * (rows - 0.5) + slope[1] * (columns - 0.5)
    return np.repeat((255 * gray)[..., None], 3, 2).astype(np.uint8)


@dataclass
class _Pen:
    draw: ImageDraw.ImageDraw
    side: int
    colour: np.ndarray | None

    def _shade(self, bright: float) -> int | tuple[int, ...]:
        return 255 if self.colour is None else tuple(int(255 * bright * c) for c in self.colour)

    def _pixel(self, place: tuple[float, float]) -> tuple[float, float]:
        return (place[0] + 1) / 2 * self.side, (place[1] + 1) / 2 * self.side

    def line(self, start: tuple[float, float], end: tuple[float, float], width: float, bright: float) -> None:
        self.draw.line(
            [self._pixel(start), self._pixel(end)], fill=self._shade(bright), width=round(width / 2 * self.side)
        )

    def polygon(self, corners: list[tuple[float, float]], bright: float) -> None:
        self.draw.polygon([self._pixel(corner) for corner in corners], fill=self._shade(bright))


def write(folder: Path, train: int = 2000, test: int = 200, size: int = 64) -> None:
    """Write the world as `folder`/{train,test}{A,B}/N.png."""
    for split, numbers in (("train", range(train)), ("test", range(train, train + test))):
        for species, letter in (("a", "A"), ("b", "B")):
            (folder / f"{split}{letter}").mkdir(parents=True, exist_ok=True)
            for i in numbers:
                animal(species, i, size).image.save(folder / f"{split}{letter}" / f"{i:05d}.png")  # type: ignore[arg-type]


@dataclass(frozen=True)
class Herd:
    """Many animals of a species: images (N, 3, H, W) in [-1, 1], masks (N, H, W), and what is true of each."""

    images: Tensor
    masks: Tensor
    body: Tensor
    head: Tensor
    neck: Tensor
    angle: Tensor
    colour: Tensor


@cache
def herd(species: Species, first: int, count: int, size: int) -> Herd:
    """Return animals `first` to `first + count - 1` of a species."""
    animals = [animal(species, i, size) for i in range(first, first + count)]
    columns = [torch.tensor([getattr(one, name) for one in animals]) for name in ("body", "head", "neck", "angle")]
    return Herd(
        torch.stack([to_tensor(np.asarray(one.image)) for one in animals]),
        torch.stack([torch.from_numpy(np.array(one.mask)) > 127 for one in animals]),
        *columns,
        colour=torch.tensor([one.colour for one in animals]),
    )


@dataclass
class World:
    """A source of training batches of both species, each epoch in an order of its own."""

    images: int
    size: int
    batch_size: int
    epoch_length: int = field(init=False)

    def __post_init__(self) -> None:
        self.epoch_length = self.images // self.batch_size

    def batch(self, step: int) -> Unpaired:
        epoch, place = divmod(step, self.epoch_length)
        chosen = []
        for number, species in enumerate(("a", "b")):
            order = np.random.default_rng([5, number, epoch]).permutation(self.images)
            rows = order[place * self.batch_size : (place + 1) * self.batch_size]
            chosen.append(herd(species, 0, self.images, self.size).images[rows])  # type: ignore[arg-type]
        return Unpaired(*chosen)

    def stream(self, start_step: int) -> NoiseStream:
        return NoiseStream(self, start_step)  # type: ignore[arg-type]
