"""Portraits of cats and dogs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from . import backdrops
from .canvas import Canvas, Colour, Plane, drawn_from, mixed
from .curves import Points, ellipse, limb, moved, smooth
from .head import Head
from .setting import Level, Pixels, Setting, photographed, sampled, volume

Species = Literal["cat", "dog"]
Ears = Literal["pricked", "hanging"]

_FURS = ((58, 50, 46), (104, 78, 56), (168, 116, 70), (206, 164, 112), (150, 146, 142), (216, 208, 196), (196, 120, 62))


@dataclass(frozen=True)
class Pet:
    """A portrait of a cat or a dog."""

    setting: Setting
    head: Head
    """Of a dog; a cat's is rounder."""
    species: Species
    ears: Ears
    ear_size: float
    """1 being usual."""
    fur: tuple[float, ...]
    light: tuple[float, ...]
    """Of muzzle and breast."""
    marking: str
    """What is of the lighter colour: muzzle, blaze or none."""
    iris: tuple[float, ...]
    gaze: float
    """-1 left, 1 right."""
    collar: tuple[float, ...] | None


def sample(rng: np.random.Generator, level: Level) -> Pet:
    """Draw a dog with pricked ears."""
    wide = level == "cluttered"
    setting = sampled(rng, level, backdrops.INDOORS)
    turn = 1.0 if wide else 0.45
    tall = float(rng.uniform(0.2, 0.3) if wide else rng.uniform(0.25, 0.29))
    head = Head(
        x=float(0.5 + turn * rng.uniform(-0.12, 0.12)),
        y=float(max(0.48 + turn * rng.uniform(-0.08, 0.07), 1.6 * tall)),
        tall=tall,
        wide=float(rng.uniform(0.8, 0.92)),
        jaw=float(rng.uniform(0.22, 0.34)),
        yaw=float(turn * rng.uniform(-0.5, 0.5)),
        pitch=float(turn * rng.uniform(-0.15, 0.2)),
        roll=float(turn * rng.uniform(-0.28, 0.28)),
    )
    fur = drawn_from(rng, _FURS, 0.4)
    return Pet(
        setting=setting,
        head=head,
        species="dog",
        ears="pricked",
        ear_size=float(rng.uniform(0.85, 1.15)),
        fur=fur,
        light=mixed(fur, (246, 240, 230), float(rng.uniform(0.35, 0.85))),
        marking=str(rng.choice(("muzzle", "blaze", "none"))),
        iris=mixed((92, 60, 30), ((70, 110, 140), (150, 140, 60))[int(rng.integers(2))], float(rng.random() ** 2)),
        gaze=float(rng.uniform(-0.5, 0.5)),
        collar=tuple(backdrops.hue(rng, (0.5, 0.95), (0.4, 0.95))) if rng.random() < 0.5 else None,
    )


def draw(pet: Pet, size: int) -> Pixels:
    """Return the portrait (size, size, 3)."""
    if pet.species == "cat":
        pet = replace(pet, head=replace(pet.head, wide=pet.head.wide + 0.22, jaw=0.16))
    canvas = Canvas(size)
    backdrops.draw(canvas, pet.setting)
    hairs = 1 + np.float32(0.07) * canvas.grain(pet.setting.random(2), 72, 3.0)
    _body(canvas, pet, hairs)
    if pet.ears == "pricked":
        _pricked_ears(canvas, pet, hairs)
    around = canvas.cover(_tufted(pet, pet.head.outline()))
    shade = volume(canvas, around, pet.setting, 0.3 * pet.head.tall) * hairs
    canvas.paint(around, pet.fur, shade)
    _markings(canvas, pet, around, shade)
    _eyes(canvas, pet)
    _muzzle(canvas, pet, hairs)
    if pet.ears == "hanging":
        _hanging_ears(canvas, pet, hairs)
    return photographed(canvas, pet.setting)


def _tufted(pet: Pet, outline: Points) -> Points:
    """Return an outline with the small irregularities of fur."""
    between = np.linspace(0, 1, 3, endpoint=False)[None, :, None]
    ways = np.roll(outline, -1, 0) - outline
    many = (outline[:, None] + between * ways[:, None]).reshape(-1, 2)
    jitter = pet.setting.random(3).uniform(-0.012, 0.03, (len(many), 1))
    tufted: Points = many + jitter * (many - np.array([pet.head.x, pet.head.y]))
    return tufted


def _body(canvas: Canvas, pet: Pet, hairs: Plane) -> None:
    x, y, tall = pet.head.x, pet.head.y, pet.head.tall
    width = 1.0 if pet.species == "cat" else 1.15
    lean = x - 0.4 * tall * np.sin(pet.head.roll)
    outline = smooth(
        [
            (lean - 0.62 * tall, y + 0.3 * tall),
            (lean + 0.62 * tall, y + 0.3 * tall),
            (lean + width * tall, y + 1.6 * tall),
            (lean + 1.35 * width * tall, y + 2.6 * tall),
            (lean, y + 4.2 * tall),
            (lean - 1.35 * width * tall, y + 2.6 * tall),
            (lean - width * tall, y + 1.6 * tall),
        ]
    )
    covered = canvas.cover(outline)
    shade = volume(canvas, covered, pet.setting, 0.35 * tall) * hairs
    canvas.paint(covered, mixed(pet.fur, (0, 0, 0), 0.08), shade)
    if pet.marking != "none":
        breast = canvas.cover(ellipse((lean, y + 1.9 * tall), 0.5 * tall, 0.9 * tall)) * covered
        canvas.paint(canvas.soft(breast, 0.06 * tall), pet.light, shade)
    canvas.darken(canvas.soft(canvas.cover(moved(pet.head.outline(), (0, 0.25 * tall))), 0.1 * tall) * covered, 0.35)
    if pet.collar:
        low = y + 1.12 * tall
        band = limb(
            [(lean - 0.75 * tall, low - 0.1 * tall), (lean, low + 0.1 * tall), (lean + 0.75 * tall, low - 0.1 * tall)],
            [0.17 * tall] * 3,
        )
        canvas.paint(canvas.cover(band) * covered, pet.collar, shade)
        canvas.fill(ellipse((lean, low + 0.26 * tall), 0.11 * tall, 0.11 * tall), (212, 184, 92))


def _side(pet: Pet, side: int, points: list[tuple[float, float]]) -> Points:
    """Return points that are given for the right ear, in widths and half heights of the head, for either side."""
    head = pet.head
    near = side * head.wide * (1 - 0.12 * side * np.sin(head.yaw))
    turn = (-0.08 * np.sin(head.yaw), -0.25 * np.sin(head.pitch))
    return head.at(moved(np.array(points) * (near, 1), turn))


def _pricked_ears(canvas: Canvas, pet: Pet, hairs: Plane) -> None:
    out = 1.0 if pet.species == "cat" else 0.92
    for side in (-1, 1):
        tip = (0.82 * out, -0.9 - 0.62 * pet.ear_size)
        outer = _side(pet, side, [(0.97, -0.2), (1.02 * out, -0.75), tip, (0.5, -1.12), (0.2, -0.85), (0.5, -0.3)])
        covered = canvas.cover(_tufted(pet, smooth(outer, 3)))
        canvas.paint(
            covered, mixed(pet.fur, (0, 0, 0), 0.1), volume(canvas, covered, pet.setting, 0.12 * pet.head.tall) * hairs
        )
        inner = _side(
            pet, side, [(0.9, -0.5), (0.92 * out, -0.8), (tip[0] - 0.02, tip[1] + 0.2), (0.55, -0.98), (0.45, -0.7)]
        )
        canvas.fill(smooth(inner, 4), mixed(pet.fur, (214, 150, 140), 0.6), opacity=0.85)


def _hanging_ears(canvas: Canvas, pet: Pet, hairs: Plane) -> None:
    low = 0.62 * pet.ear_size
    for side in (-1, 1):
        points = [
            (0.34, -0.98),
            (0.78, -1.02),
            (1.14, -0.62),
            (1.34, low - 0.25),
            (1.22, low + 0.06),
            (0.98, low - 0.05),
            (0.86, -0.25),
        ]
        outline = _tufted(pet, smooth(_side(pet, side, points), 4))
        covered = canvas.cover(outline)
        canvas.darken(canvas.soft(canvas.cover(moved(outline, (0, 0.05 * pet.head.tall))), 0.05 * pet.head.tall), 0.3)
        shade = volume(canvas, covered, pet.setting, 0.14 * pet.head.tall) * hairs
        canvas.paint(covered, mixed(pet.fur, (30, 16, 8), 0.22), shade)


def _markings(canvas: Canvas, pet: Pet, around: Plane, shade: Plane) -> None:
    head = pet.head
    if pet.marking == "blaze":
        across = (-0.06, 0.06, 0.14, 0.3, -0.3, -0.14)
        stripe = canvas.cover(smooth(head.on_face(across, [-0.75, -0.75, -0.2, 0.6, 0.6, -0.2]))) * around
        canvas.paint(canvas.soft(stripe, 0.03 * head.tall) * around, pet.light, shade)
    if pet.species == "cat":
        for u in (-0.3, 0, 0.3):
            band = limb(head.on_face([0.8 * u, u], [-0.45, -0.75]), [0.07 * head.tall, 0.03 * head.tall])
            canvas.paint(canvas.cover(band) * around * np.float32(0.5), mixed(pet.fur, (0, 0, 0), 0.5), shade)


def _eyes(canvas: Canvas, pet: Pet) -> None:
    head, cat = pet.head, pet.species == "cat"
    u, v, radius = (0.42, -0.1, 0.17) if cat else (0.36, -0.16, 0.12)
    iris: Colour = mixed(pet.iris, (150, 180, 70), 0.7) if cat else pet.iris
    for side in (-1, 1):
        (eye,) = head.on_face([side * u], [v], 0.02)
        narrow = head.eye_width(side * u)
        size, turn = radius * head.tall, head.roll + (-0.25 * side if cat else 0)
        rim = ellipse(eye, 1.2 * size * narrow, 1.12 * size * (0.85 if cat else 1), turn)
        canvas.paint(canvas.soft(canvas.cover(rim), 0.015 * head.tall), mixed(pet.fur, (10, 6, 6), 0.8))
        canvas.fill(ellipse(eye, size * narrow, size * (0.8 if cat else 0.95), turn), iris)
        pupil = moved(eye, (0.25 * size * pet.gaze, 0))
        wide = 0.28 if cat else 0.58
        canvas.fill(ellipse(pupil, wide * size * narrow, (0.74 if cat else 0.58) * size, head.roll), (12, 10, 12))
        spark = moved(pupil, (-0.25 * size, -0.3 * size))
        canvas.fill(ellipse(spark, 0.2 * size, 0.2 * size), (250, 250, 250))


def _muzzle(canvas: Canvas, pet: Pet, hairs: Plane) -> None:
    head, cat = pet.head, pet.species == "cat"
    lift, wide, tall, v = (0.08, 0.36, 0.26, 0.36) if cat else (0.42, 0.46, 0.48, 0.34)
    (middle,) = head.on_face([0], [v], lift)
    outline = ellipse(middle, wide * head.tall, tall * head.tall, head.roll)
    covered = canvas.cover(_tufted(pet, outline))
    canvas.darken(canvas.soft(canvas.cover(moved(outline, (0, 0.06 * head.tall))), 0.08 * head.tall), 0.22)
    colour = pet.light if pet.marking != "none" else mixed(pet.fur, (255, 250, 240), 0.12)
    shade = volume(canvas, covered, pet.setting, 0.2 * head.tall) * hairs
    canvas.paint(canvas.soft(covered, 0.02 * head.tall), colour, shade)
    size = 0.1 if cat else 0.2
    nose = middle + head.at([(0, -0.1 if cat else -0.24)])[0] - (head.x, head.y)
    down = head.at([(0, 1)])[0] - (head.x, head.y)
    tip, side = nose + 0.85 * size * down, np.array([down[1], -down[0]])
    line = limb([tip, tip + 0.14 * down], [0.035 * head.tall] * 2)
    canvas.fill(line, mixed(colour, (20, 10, 10), 0.75))
    for sign in (-1, 1):
        lip = [tip + 0.13 * down, tip + 0.2 * down + sign * 0.12 * side, tip + 0.15 * down + sign * 0.26 * side]
        canvas.fill(limb(lip, [0.04 * head.tall] * 3), mixed(colour, (20, 10, 10), 0.75))
        if cat:
            for spread in (-0.05, 0.03, 0.11):
                root = middle + sign * 0.2 * side + 0.3 * spread * down
                canvas.fill(
                    limb(
                        [root, root + sign * 0.75 * side + spread * 1.6 * down], [0.014 * head.tall, 0.006 * head.tall]
                    ),
                    (236, 232, 226),
                    opacity=0.8,
                )
    corners = [nose - 1.1 * size * side - 0.45 * size * down, nose + 1.1 * size * side - 0.45 * size * down, tip]
    covered = canvas.cover(smooth(corners, 6))
    pad = (188, 110, 104) if cat else (34, 28, 30)
    canvas.paint(covered, pad, volume(canvas, covered, pet.setting, 0.05 * head.tall))
