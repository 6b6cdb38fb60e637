"""A picture that is painted in layers, larger than it will be, and shrunk for smooth edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFilter

from instar.data.drawn.curves import Points

Plane = NDArray[np.float32]
"""(side, side), of a canvas: how much of a pixel is covered, 0..1, or how bright it is, 1 being as the colour is."""
Colour = Sequence[float]
"""Red, green and blue, 0..255."""

_CANVAS = 256
"""Smallest side of a canvas: small pictures have edges as smooth as large ones."""


class Canvas:
    """A square of colours to paint on. Places and lengths are in units of its side."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.scale = max(2, -(-_CANVAS // size))
        self.side = size * self.scale
        self.pixels = np.zeros((self.side, self.side, 3), np.float32)
        self.y, self.x = (plane.astype(np.float32) for plane in (np.mgrid[: self.side, : self.side] + 0.5) / self.side)

    def cover(self, *outlines: Points) -> Plane:
        """Return where any of the outlines covers the canvas."""
        image = Image.new("L", (self.side, self.side))
        draw = ImageDraw.Draw(image)
        for outline in outlines:
            draw.polygon([(float(x), float(y)) for x, y in outline * self.side - 0.5], fill=1)
        return np.asarray(image, dtype=np.float32)

    def paint(self, where: Plane, colour: Colour, shade: Plane | None = None) -> None:
        """Lay a colour, brightened by `shade`, over the canvas where the plane is above 0."""
        rows, columns = (np.flatnonzero(where.any(axis)) for axis in (1, 0))
        if not len(rows):
            return
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        paint = np.asarray(colour, dtype=np.float32)
        full = paint if shade is None else paint * shade[box][..., None]
        self.pixels[box] += where[box][..., None] * (full - self.pixels[box])

    def fill(self, outline: Points, colour: Colour, shade: Plane | None = None, opacity: float = 1.0) -> None:
        """Paint one outline."""
        self.paint(self.cover(outline) * np.float32(opacity), colour, shade)

    def darken(self, where: Plane, amount: float) -> None:
        """Take away `amount` (0..1) of the light where the plane is 1."""
        self.pixels *= (1 - np.float32(amount) * where)[..., None]

    def soft(self, plane: Plane, radius: float) -> Plane:
        """Return a plane of 0..1 with edges that fade over about `radius` to both sides."""
        image = Image.fromarray((plane * 255).astype(np.uint8))
        faded = image.filter(ImageFilter.GaussianBlur(radius * self.side))
        soft: Plane = np.asarray(faded, dtype=np.float32) / np.float32(255)
        return soft

    def defocus(self, radius: float) -> None:
        """Blur all that was painted so far."""
        image = Image.fromarray(self.pixels.clip(0, 255).astype(np.uint8))
        self.pixels = np.array(image.filter(ImageFilter.GaussianBlur(radius * self.side)), dtype=np.float32)

    def slopes(self, plane: Plane, radius: float) -> tuple[Plane, Plane]:
        """Return how fast a plane, averaged over about `radius` (in sides), grows per side: down and to the right."""
        step = max(1, min(int(radius * self.side / 2), self.side // 32))
        cells = self.side // step
        small = _resized(plane, cells, Image.Resampling.BOX)
        slopes = np.gradient(blurred(small, radius * cells))
        down, right = (_resized(slope * cells, self.side, Image.Resampling.BICUBIC) for slope in slopes)
        return down, right

    def grain(self, rng: np.random.Generator, cells: int, tall: float = 1.0) -> Plane:
        """Return smooth noise about 0 of deviation about 1, `cells` to the side; `tall` times higher than wide."""
        rows = max(2, round(cells / tall))
        return _resized(rng.normal(0, 1, (rows, cells)), self.side, Image.Resampling.BICUBIC)

    def shrunk(self) -> NDArray[np.float32]:
        """Return the colours (size, size, 3), 0..255 if no shade was above 1."""
        cells = self.pixels.reshape(self.size, self.scale, self.size, self.scale, 3)
        found: NDArray[np.float32] = cells.mean((1, 3))
        return found


def blurred(plane: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """Return a plane (H, W) or (H, W, C) after a Gaussian of deviation `radius` pixels, above 0.

    Beyond the edge its last value goes on.
    """
    reach = max(1, round(3 * radius))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / radius) ** 2).astype(np.float32)
    weights /= weights.sum()
    for _ in range(2):
        padded = np.pad(plane, [(reach, reach), *[(0, 0)] * (plane.ndim - 1)], mode="edge")
        smooth = np.zeros_like(plane)
        for i, weight in enumerate(weights):
            smooth += weight * padded[i : i + len(plane)]
        plane = smooth.swapaxes(0, 1)
    return plane


def _resized(plane: NDArray[np.floating[Any]], side: int, how: Image.Resampling) -> Plane:
    image = Image.fromarray(plane.astype(np.float32))
    return np.asarray(image.resize((side, side), how), dtype=np.float32)


def mixed(a: ArrayLike, b: ArrayLike, share: float) -> tuple[float, ...]:
    """Return a colour between two, `share` (0..1) of the way from `a` to `b`."""
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return tuple(float(c) for c in first + share * (second - first))


def drawn_from(rng: np.random.Generator, colours: Sequence[Colour], most: float = 1.0) -> tuple[float, ...]:
    """Draw a colour that is up to `most` (0..1) of the way from one of some colours to another."""
    first, second = rng.integers(len(colours), size=2)
    return mixed(colours[first], colours[second], most * float(rng.random()))
