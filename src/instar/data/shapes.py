"""An embedded data set with known ground truth: plain animals in a scene (A), the same scene with stripes (B).

Drawn by code, the same on every machine: nothing to download, and every translation can be scored.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from instar.core.images import save

_SCALE = 4
"""Drawn this much larger and shrunk, for smooth edges."""


def pair(index: int, size: int = 64) -> tuple[Image.Image, Image.Image]:
    """Return scene `index` with a plain animal and with a striped one, RGB, `size` x `size`."""
    side = size * _SCALE
    rng = np.random.default_rng([7, index])
    horizon = int(side * rng.uniform(0.35, 0.6))
    scene = _background(rng, side, horizon)
    coat = tuple(int(c) for c in rng.integers((140, 90, 50), (190, 130, 90)))
    mask, stripes = _animal(rng, side, horizon)
    plain = scene.copy()
    plain.paste(coat, mask=mask)
    striped = scene.copy()
    striped.paste((240, 236, 225), mask=mask)
    dark = Image.fromarray(np.minimum(np.asarray(mask), np.asarray(stripes)))
    striped.paste((30, 26, 28), mask=dark)
    small = [image.resize((size, size), Image.Resampling.BOX) for image in (plain, striped)]
    return small[0], small[1]


def write(folder: Path, train: int, test: int, size: int = 64) -> None:
    """Write pairs as `folder`/{train,test}{A,B}/N.png; scenes of train and test are different."""
    for split, numbers in (("train", range(train)), ("test", range(train, train + test))):
        for domain in "AB":
            (folder / f"{split}{domain}").mkdir(parents=True, exist_ok=True)
        for i in numbers:
            for domain, image in zip("AB", pair(i, size), strict=True):
                save(image, folder / f"{split}{domain}" / f"{i:04d}.png")


def _background(rng: np.random.Generator, side: int, horizon: int) -> Image.Image:
    """Draw sky and grass, each fading with height, some trees, and a little texture."""
    sky, grass = rng.integers((120, 170, 210), (180, 215, 250)), rng.integers((60, 120, 40), (130, 170, 80))
    rows = np.linspace(0.8, 1.15, side)[:, None, None]
    colours = np.where((np.arange(side) < horizon)[:, None, None], sky, grass)
    noise = rng.normal(0, 6, (side // 8, side // 8, 1)).repeat(8, 0).repeat(8, 1)
    pixels = np.clip(colours * rows + noise, 0, 255).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(np.broadcast_to(pixels, (side, side, 3))))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 4))):
        x, tall = int(rng.uniform(0, side)), int(rng.uniform(0.1, 0.25) * side)
        draw.rectangle((x - tall // 10, horizon - tall // 2, x + tall // 10, horizon), fill=(90, 65, 45))
        draw.ellipse((x - tall // 2, horizon - tall, x + tall // 2, horizon - tall // 3), fill=(45, 95, 50))
    return image


def _animal(rng: np.random.Generator, side: int, horizon: int) -> tuple[Image.Image, Image.Image]:
    """Return the silhouette, and stripes across it that follow from the body's place and length alone."""
    mask, stripes = Image.new("L", (side, side)), Image.new("L", (side, side))
    draw, draw_stripes = ImageDraw.Draw(mask), ImageDraw.Draw(stripes)
    length = side * rng.uniform(0.4, 0.55)
    x = rng.uniform(0.38, 0.62) * side
    y = min(max(horizon + 0.05 * side, 0.45 * side), 0.65 * side)
    facing = 1 if rng.random() < 0.5 else -1
    thick = 0.42 * length
    _ellipse(draw, x, y, length / 2, thick / 2)
    for leg in (-0.36, -0.24, 0.24, 0.36):
        left = x + leg * length
        draw.rectangle((left - 0.035 * length, y, left + 0.035 * length, y + 0.62 * length), fill=255)
    neck = [(x + facing * 0.3 * length, y), (x + facing * 0.55 * length, y - 0.42 * length)]
    draw.line(neck, fill=255, width=int(0.16 * length))
    _ellipse(draw, x + facing * 0.62 * length, y - 0.42 * length, 0.15 * length, 0.085 * length)
    for i in range(-8, 9):
        centre = x + i * length / 6
        draw_stripes.rectangle((centre - length / 24, 0, centre + length / 24, side), fill=255)
    return mask, stripes


def _ellipse(draw: ImageDraw.ImageDraw, x: float, y: float, half_width: float, half_height: float) -> None:
    draw.ellipse((x - half_width, y - half_height, x + half_width, y + half_height), fill=255)
