"""Animals that stand in open land, seen from the side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instar.data.drawn import backdrops
from instar.data.drawn.canvas import Canvas, Plane, drawn_from, mixed
from instar.data.drawn.curves import Points, ellipse, limb, moved, smooth
from instar.data.drawn.setting import Level, Pixels, Setting, photographed, sampled, volume


@dataclass(frozen=True)
class Neck:
    """How a neck stands out of the body."""

    length: float
    """In lengths of the body."""
    rise: float
    """Angle above the horizon, in radians."""


@dataclass(frozen=True)
class Stripes:
    """Dark bands across a coat."""

    period: float
    """From band to band, in lengths of the body."""
    phase: float
    """Where the first one is, in periods."""
    colour: tuple[float, ...]


@dataclass(frozen=True)
class Beast:
    """An animal in its landscape."""

    setting: Setting
    horizon: float
    x: float
    """Of the middle of its body, in sides of the picture."""
    ground: float
    """Where its hooves stand."""
    length: float
    """Of its body, in sides of the picture."""
    facing: int
    """1 right, -1 left."""
    thick: float
    """Height of the body by its length."""
    legs: float
    """Their length, in lengths of the body."""
    stride: tuple[float, ...]
    """How far each of the four hooves is ahead of its hip, in lengths of the body."""
    neck: Neck
    nod: float
    """How far the head points down, in radians."""
    coat: tuple[float, ...]
    mane: tuple[float, ...]
    stripes: Stripes | None = None


_COATS = ((206, 178, 138), (184, 140, 96), (170, 160, 150), (214, 206, 194), (150, 118, 88), (190, 172, 120))


def sample(rng: np.random.Generator, level: Level) -> Beast:
    """Draw an animal with a short neck and a plain coat."""
    wide = level == "cluttered"
    length = float(rng.uniform(0.4, 0.46) if wide else rng.uniform(0.4, 0.45))
    facing = int(rng.choice((-1, 1)))
    setting = sampled(rng, level, backdrops.OUTDOORS)
    ground = float(rng.uniform(0.8, 0.94))
    return Beast(
        setting=setting,
        horizon=float(ground - rng.uniform(0.14, 0.42)),
        x=float(0.5 - 0.2 * facing * length + (0.08 if wide else 0.04) * rng.uniform(-1, 1)),
        ground=ground,
        length=length,
        facing=facing,
        thick=float(rng.uniform(0.4, 0.5)),
        legs=float(rng.uniform(0.42, 0.54)),
        stride=tuple(float(step) for step in rng.uniform(-0.16, 0.16, 4)),
        neck=short_neck(rng),
        nod=float(rng.uniform(0.2, 0.9)),
        coat=drawn_from(rng, _COATS, 0.5),
        mane=mixed((36, 28, 24), (120, 90, 62), float(rng.random())),
    )


def short_neck(rng: np.random.Generator) -> Neck:
    """Draw a neck as cattle and horses have it."""
    return Neck(float(rng.uniform(0.26, 0.36)), float(rng.uniform(0.5, 0.95)))


def long_neck(rng: np.random.Generator) -> Neck:
    """Draw a neck as giraffes have it."""
    return Neck(float(rng.uniform(0.8, 0.95)), float(rng.uniform(1.0, 1.3)))


def draw(beast: Beast, size: int) -> Pixels:
    """Return the landscape (size, size, 3)."""
    canvas = Canvas(size)
    backdrops.draw(canvas, beast.setting, beast.horizon)
    hairs = 1 + np.float32(0.03) * canvas.grain(beast.setting.random(2), 64)
    below = (beast.x - 0.2 * beast.setting.side * beast.length, beast.ground)
    shadow = ellipse(below, 0.6 * beast.length, 0.07 * beast.length)
    canvas.darken(canvas.soft(canvas.cover(shadow), 0.02), 0.45)
    for leg in (0, 2):
        _leg(canvas, beast, leg, hairs * np.float32(0.7))
    _tail(canvas, beast)
    body = canvas.cover(*_trunk(beast))
    shade = volume(canvas, body, beast.setting, 0.12 * beast.length) * hairs
    canvas.paint(body, beast.coat, shade)
    _striped(canvas, beast, body, shade)
    for leg in (1, 3):
        _leg(canvas, beast, leg, hairs)
    _head_details(canvas, beast)
    _foreground(canvas, beast)
    return photographed(canvas, beast.setting)


def body_places(beast: Beast, size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where each pixel (size, size) is, ahead of the middle of the body and below it, in lengths of the body."""
    ((x, y),) = _at(beast, [(0, 0)])
    rows, columns = (np.mgrid[:size, :size] + 0.5) / size
    return beast.facing * (columns - x) / beast.length, (rows - y) / beast.length


def _at(beast: Beast, points: ArrayLike) -> Points:
    """Return points that are given in lengths of the body from its middle, ahead and down."""
    y = beast.ground - (beast.legs + 0.35 * beast.thick) * beast.length
    return moved(np.asarray(points, dtype=np.float64) * (beast.facing * beast.length, beast.length), (beast.x, y))


def _poll(beast: Beast) -> tuple[float, float]:
    """Return where the neck ends, in lengths of the body."""
    neck = beast.neck
    return 0.38 + neck.length * np.cos(neck.rise), -0.1 - neck.length * np.sin(neck.rise)


def _trunk(beast: Beast) -> list[Points]:
    t = beast.thick / 2
    torso = smooth(
        _at(
            beast,
            [
                (-0.5, -0.1),
                (-0.38, -0.85 * t),
                (0.0, -0.8 * t),
                (0.36, -0.95 * t),
                (0.5, -0.2 * t),
                (0.42, 0.7 * t),
                (0.0, t),
                (-0.38, 0.75 * t),
            ],
        )
    )
    ahead, up = _poll(beast)
    bent = (0.5 * (0.38 + ahead) - 0.02, 0.5 * (-0.1 + up) + 0.03)
    neck = limb(_at(beast, [(0.3, 0.0), bent, (ahead, up)]), [w * beast.length for w in (0.34, 0.2, 0.15)])
    return [torso, neck, _muzzle(beast)]


def _muzzle(beast: Beast) -> Points:
    (ahead, up), nod = _poll(beast), beast.nod
    tip = (ahead + 0.26 * np.cos(nod), up + 0.26 * np.sin(nod))
    middle = (ahead + 0.12 * np.cos(nod), up + 0.12 * np.sin(nod))
    return limb(_at(beast, [(ahead - 0.02, up - 0.01), middle, tip]), [w * beast.length for w in (0.16, 0.15, 0.1)])


def _leg(canvas: Canvas, beast: Beast, leg: int, shade: Plane) -> None:
    hip = (-0.36, -0.26)[leg % 2] if leg < 2 else (0.36, 0.28)[leg % 2]
    step, foot = beast.stride[leg], 0.35 * beast.thick + beast.legs
    bend = 0.05 if leg < 2 else -0.02
    path = _at(beast, [(hip, 0.02), (hip + 0.4 * step - bend, 0.52 * foot), (hip + step, foot)])
    covered = canvas.cover(limb(path, [w * beast.length for w in (0.2, 0.095, 0.075)]))
    tone = shade * volume(canvas, covered, beast.setting, 0.04 * beast.length)
    canvas.paint(covered, beast.coat, tone)
    _striped(canvas, beast, covered, tone, upright=False)
    hoof = limb(
        [
            moved(path[-1], (-0.02 * beast.length, -0.03 * beast.length)),
            moved(path[-1], (0.03 * beast.facing * beast.length, 0)),
        ],
        [0.08 * beast.length] * 2,
    )
    canvas.paint(canvas.cover(hoof), (46, 40, 38), shade)


def _striped(canvas: Canvas, beast: Beast, where: Plane, shade: Plane, upright: bool = True) -> None:
    if beast.stripes is None:
        return
    along, down = body_places(beast, canvas.side)
    warp = np.float32(0.16) * canvas.grain(beast.setting.random(6), 9)
    slanted = along + 0.25 * down * np.sign(along)
    place = slanted if upright else np.where(down < 0.4 * beast.thick, slanted, down)
    wave = np.sin(2 * np.pi * (place / beast.stripes.period + beast.stripes.phase + warp))
    canvas.paint(where * (wave > 0.05), beast.stripes.colour, shade)


def _tail(canvas: Canvas, beast: Beast) -> None:
    swing = beast.setting.random(7).uniform(-0.1, 0.06)
    path = _at(beast, [(-0.47, -0.12), (-0.56 + swing / 2, 0.08), (-0.55 + swing, 0.36)])
    canvas.fill(limb(path, [w * beast.length for w in (0.05, 0.05, 0.09)]), beast.mane)


def _head_details(canvas: Canvas, beast: Beast) -> None:
    (ahead, up), nod = _poll(beast), beast.nod
    along, across = np.array([np.cos(nod), np.sin(nod)]), np.array([np.sin(nod), -np.cos(nod)])
    poll = np.array([ahead, up])
    neck = np.array([ahead - 0.38, up + 0.1])
    back = np.array([neck[1], -neck[0]]) / np.hypot(*neck) * 0.085
    crest = [poll + 0.6 * back, poll - 0.5 * neck + 1.15 * back, poll - 0.92 * neck + 1.5 * back]
    canvas.fill(limb(_at(beast, crest), [w * beast.length for w in (0.06, 0.07, 0.06)]), beast.mane)
    ear = [poll + 0.06 * across, poll + 0.17 * across - 0.05 * along]
    canvas.fill(limb(_at(beast, ear), [0.06 * beast.length, 0.02 * beast.length]), mixed(beast.coat, (0, 0, 0), 0.25))
    (eye,) = _at(beast, [poll + 0.07 * along + 0.025 * across])
    canvas.fill(ellipse(eye, 0.02 * beast.length, 0.02 * beast.length), (20, 16, 16))
    (nostril,) = _at(beast, [poll + 0.27 * along])
    canvas.fill(ellipse(nostril, 0.05 * beast.length, 0.045 * beast.length), mixed(beast.coat, (20, 10, 10), 0.55))


def _foreground(canvas: Canvas, beast: Beast) -> None:
    """Paint grass before the hooves."""
    rng = beast.setting.random(8)
    count = 25 if beast.setting.place == "meadow" else 70
    for x, height in zip(rng.random(count), rng.uniform(0.015, 0.055, count), strict=True):
        y = beast.ground + rng.uniform(0.0, 0.05)
        blade = np.array([(x - 0.006, y), (x + rng.normal(0, 0.008), y - height), (x + 0.006, y)])
        canvas.fill(blade, tuple(rng.uniform(0.7, 1.2) * c for c in (96, 128, 58)))
