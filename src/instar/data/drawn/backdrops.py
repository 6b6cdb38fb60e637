"""What stands behind: walls, rooms, streets, gardens and open land."""

from __future__ import annotations

from collections.abc import Callable
from colorsys import hsv_to_rgb
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from instar.data.drawn.canvas import Canvas, Colour, mixed
from instar.data.drawn.curves import ellipse, limb, smooth
from instar.data.drawn.setting import Level, Setting

INDOORS: dict[Level, tuple[str, ...]] = {"easy": ("wall",), "cluttered": ("room", "street", "garden")}
OUTDOORS: dict[Level, tuple[str, ...]] = {"easy": ("meadow",), "cluttered": ("hills", "forest", "yard")}


def draw(canvas: Canvas, setting: Setting, horizon: float = 0.5) -> None:
    """Paint the place of a setting over the whole canvas.

    Args:
        canvas: to paint on.
        setting: says which place, and seeds what is in it.
        horizon: where land ends and sky begins, outdoors.
    """
    canvas.pixels = _painted(canvas.size, setting, horizon).copy()


@lru_cache(maxsize=2)  # the pictures of one scene have the same backdrop
def _painted(size: int, setting: Setting, horizon: float) -> NDArray[np.float32]:
    canvas = Canvas(size)
    _PLACES[setting.place](canvas, setting.random(1), horizon)
    return canvas.pixels


def hue(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> Colour:
    """Draw a colour of any hue."""
    parts = hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
    return tuple(255 * part for part in parts)


def _fade(canvas: Canvas, top: Colour, bottom: Colour, begin: float = 0.0, end: float = 1.0) -> None:
    """Paint the rows from `begin` to `end` with colours from `top` to `bottom`."""
    rows = (canvas.y >= begin) & (canvas.y < end)
    share = ((canvas.y - begin) / (end - begin)).clip(0, 1)[..., None]
    colours = np.asarray(top, np.float32) * (1 - share) + np.asarray(bottom, np.float32) * share
    canvas.pixels = np.where(rows[..., None], colours, canvas.pixels).astype(np.float32)


def _rectangle(canvas: Canvas, left: float, top: float, width: float, height: float, colour: Colour) -> None:
    x, y = left + width, top + height
    canvas.fill(np.array([(left, top), (x, top), (x, y), (left, y)]), colour)


def _wall(canvas: Canvas, rng: np.random.Generator, _: float) -> None:
    colour = hue(rng, (0.05, 0.3), (0.55, 0.9))
    _fade(canvas, mixed(colour, (255, 255, 255), 0.12), mixed(colour, (0, 0, 0), 0.12))
    canvas.pixels += 3 * canvas.grain(rng, 10)[..., None]


def _room(canvas: Canvas, rng: np.random.Generator, _: float) -> None:
    _wall(canvas, rng, 0)
    for _shelf in range(int(rng.integers(1, 4))):
        _books(canvas, rng, float(rng.uniform(0.12, 0.95)))
    for _picture in range(int(rng.integers(0, 3))):
        left, top, width = rng.uniform(0, 0.8), rng.uniform(0, 0.5), rng.uniform(0.12, 0.28)
        _rectangle(canvas, left, top, width, 0.8 * width, hue(rng, (0, 0.4), (0.2, 0.5)))
        _rectangle(canvas, left + 0.015, top + 0.015, width - 0.03, 0.8 * width - 0.03, hue(rng, (0, 0.7), (0.4, 1)))
    if rng.random() < 0.5:
        left = rng.choice((-0.05, 0.7)) + rng.uniform(-0.05, 0.1)
        _rectangle(canvas, left, 0.05, 0.34, 0.5, (238, 235, 228))
        for pane in (0.02, 0.18):
            _rectangle(canvas, left + pane, 0.07, 0.14, 0.46, hue(rng, (0.15, 0.35), (0.85, 1)))
    if rng.random() < 0.5:
        _plant(canvas, rng, float(rng.choice((0.1, 0.9))), 0.95)
    canvas.defocus(rng.uniform(0.002, 0.012))


def _books(canvas: Canvas, rng: np.random.Generator, bottom: float) -> None:
    left, end = rng.uniform(-0.1, 0.7), 0.0
    end = left + rng.uniform(0.2, 0.6)
    _rectangle(canvas, left - 0.02, bottom, end - left + 0.04, 0.02, (96, 66, 44))
    while left < end:
        thick, tall = rng.uniform(0.015, 0.045), rng.uniform(0.09, 0.17)
        _rectangle(canvas, left, bottom - tall, thick, tall, hue(rng, (0.1, 0.8), (0.25, 0.9)))
        left += thick + 0.003


def _plant(canvas: Canvas, rng: np.random.Generator, x: float, y: float) -> None:
    for _leaf in range(int(rng.integers(8, 20))):
        turn, length = rng.uniform(-1.3, 1.3), rng.uniform(0.15, 0.35)
        tip = (x + length * np.sin(turn), y - length * np.cos(turn))
        middle = (x + 0.5 * length * np.sin(0.7 * turn), y - 0.55 * length)
        green = (rng.uniform(30, 80), rng.uniform(80, 150), rng.uniform(30, 70))
        canvas.fill(limb([(x, y), middle, tip], [0.008, 0.05, 0.006]), green)


def _street(canvas: Canvas, rng: np.random.Generator, _: float) -> None:
    _fade(canvas, (150, 178, 205), (206, 210, 208))
    left = -0.1
    while left < 1:
        width, top = rng.uniform(0.15, 0.4), rng.uniform(0.02, 0.4)
        _rectangle(canvas, left, top, width, 1, hue(rng, (0.05, 0.45), (0.35, 0.8)))
        panes = hue(rng, (0, 0.3), (0.2, 1))
        for row in np.arange(top + 0.05, 0.9, 0.12):
            for column in np.arange(left + 0.03, left + width - 0.06, 0.085):
                _rectangle(canvas, column, row, 0.045, 0.065, mixed(panes, (20, 24, 34), rng.random()))
        left += width
    for _lamp in range(int(rng.integers(0, 9))):
        radius = rng.uniform(0.015, 0.05)
        canvas.fill(ellipse(rng.random(2), radius, radius), hue(rng, (0.2, 0.9), (0.8, 1)), opacity=0.7)
    canvas.defocus(rng.uniform(0.004, 0.016))


def _garden(canvas: Canvas, rng: np.random.Generator, _: float) -> None:
    _fade(canvas, (176, 202, 214), (74, 110, 58))
    for _bush in range(60):
        x, y, radius = rng.random(), rng.uniform(0.05, 1), rng.uniform(0.03, 0.13)
        canvas.fill(ellipse((x, y), radius, 0.7 * radius), _foliage(rng, y), opacity=0.9)
    for _trunk in range(int(rng.integers(0, 4))):
        x = rng.random()
        canvas.fill(limb([(x, 1.1), (x + 0.03, 0.5), (x, -0.1)], [0.07, 0.05, 0.04]), (86, 66, 50))
    for _flower in range(int(rng.integers(0, 30))):
        canvas.fill(ellipse(rng.random(2), 0.013, 0.013), hue(rng, (0.4, 0.95), (0.8, 1)))
    canvas.pixels += 9 * canvas.grain(rng, 40)[..., None]
    canvas.defocus(rng.uniform(0.002, 0.012))


def _foliage(rng: np.random.Generator, y: float) -> Colour:
    light = rng.uniform(0.5, 1.15) * (1.1 - 0.4 * y)
    return tuple(light * part for part in rng.uniform((70, 110, 40), (130, 165, 75)))


def _meadow(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    sky, grass = rng.uniform((120, 170, 210), (185, 215, 250)), rng.uniform((80, 120, 45), (145, 165, 85))
    _fade(canvas, mixed(sky, (60, 110, 190), 0.25), mixed(sky, (255, 255, 255), 0.4), 0, horizon)
    clouds = (canvas.grain(rng, 5, 0.5) > 1.0).astype(np.float32) * (canvas.y < horizon)
    canvas.paint(canvas.soft(clouds, 0.02) * np.float32(0.6), (246, 247, 250))
    _fade(canvas, mixed(grass, (150, 170, 140), 0.4), mixed(grass, (0, 0, 0), 0.2), horizon, 1.001)
    tufts = canvas.grain(rng, 48, 2.0) * (canvas.y > horizon) * (0.3 + canvas.y)
    canvas.pixels *= (1 + np.float32(0.06) * tufts)[..., None]


def _hills(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    _meadow(canvas, rng, horizon)
    for depth in range(int(rng.integers(1, 4))):
        ridge = horizon - 0.16 + 0.06 * depth
        heights = ridge + rng.uniform(-0.06, 0.05, 9)
        points = [(-0.1, horizon + 0.02), *zip(np.linspace(-0.1, 1.1, 9), heights, strict=True), (1.1, horizon + 0.02)]
        canvas.fill(smooth(points), mixed((122, 142, 170), _foliage(rng, 0.6), depth / 3))
    for _tree in range(int(rng.integers(1, 8))):
        _round_tree(canvas, rng, rng.random(), horizon + rng.uniform(-0.01, 0.06), rng.uniform(0.05, 0.2))
    for _rock in range(int(rng.integers(0, 6))):
        grey, width = rng.uniform(90, 170), rng.uniform(0.02, 0.08)
        x, y = rng.random(), rng.uniform(horizon + 0.03, 0.98)
        canvas.fill(ellipse((x, y), width, 0.55 * width), (grey, grey, 0.95 * grey))
        canvas.fill(ellipse((x, y - 0.15 * width), 0.8 * width, 0.35 * width), (1.15 * grey, 1.15 * grey, 1.1 * grey))


def _round_tree(canvas: Canvas, rng: np.random.Generator, x: float, foot: float, tall: float) -> None:
    canvas.fill(limb([(x, foot), (x, foot - 0.6 * tall)], [0.12 * tall, 0.08 * tall]), (84, 62, 46))
    for _cluster in range(9):
        a, b = rng.normal(0, 0.22 * tall), rng.normal(0, 0.16 * tall)
        radius = rng.uniform(0.14, 0.26) * tall
        canvas.fill(ellipse((x + a, foot - 0.75 * tall + b), radius, 0.85 * radius), _foliage(rng, 0.5 - b / tall))


def _forest(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    _meadow(canvas, rng, horizon)
    _fade(canvas, (44, 70, 46), (74, 96, 58), 0, horizon)
    for _bush in range(50):
        y, radius = rng.uniform(-0.05, horizon), rng.uniform(0.02, 0.09)
        canvas.fill(ellipse((rng.random(), y), radius, 0.8 * radius), _foliage(rng, 0.9 - y), opacity=0.8)
    for _trunk in range(int(rng.integers(3, 9))):
        x, thick, light = rng.random(), rng.uniform(0.02, 0.06), rng.uniform(0.6, 1.6)
        bark = (light * 82, light * 68, light * 56)
        canvas.fill(limb([(x, horizon + 0.04), (x + rng.normal(0, 0.02), -0.1)], [thick, 0.7 * thick]), bark)
    canvas.defocus(rng.uniform(0.001, 0.006))


def _yard(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    _meadow(canvas, rng, horizon)
    sand = mixed((140, 118, 86), (196, 174, 136), rng.random())
    _fade(canvas, sand, mixed(sand, (0, 0, 0), 0.2), horizon, 1.001)
    left, width, top = rng.uniform(-0.1, 0.6), rng.uniform(0.3, 0.6), horizon - rng.uniform(0.18, 0.34)
    planks = hue(rng, (0.2, 0.6), (0.3, 0.75))
    for plank in np.arange(left, left + width, 0.03):
        _rectangle(canvas, plank, top, 0.028, horizon - top + 0.02, mixed(planks, (0, 0, 0), 0.3 * rng.random()))
    roof = [(left - 0.05, top), (left + 0.5 * width, top - 0.14), (left + width + 0.05, top)]
    canvas.fill(np.array(roof), hue(rng, (0.1, 0.7), (0.25, 0.6)))
    _rectangle(canvas, left + 0.4 * width, horizon - 0.14, 0.1, 0.15, (40, 32, 28))
    rail = mixed((150, 112, 76), (230, 228, 220), rng.random())
    for post in np.arange(-0.05 + rng.uniform(0, 0.1), 1.05, rng.uniform(0.12, 0.2)):
        _rectangle(canvas, post, horizon - 0.05, 0.018, 0.14, rail)
    for bar in (horizon - 0.03, horizon + 0.025):
        _rectangle(canvas, 0, bar, 1, 0.012, rail)
    canvas.pixels += 5 * canvas.grain(rng, 64)[..., None]


_PLACES: dict[str, Callable[[Canvas, np.random.Generator, float], None]] = {
    "wall": _wall,
    "room": _room,
    "street": _street,
    "garden": _garden,
    "meadow": _meadow,
    "hills": _hills,
    "forest": _forest,
    "yard": _yard,
}
