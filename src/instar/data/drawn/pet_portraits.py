"""Portraits of cats and dogs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from instar.data.drawn import backdrops
from instar.data.drawn.canvas import Canvas, Colour, Plane, mixed
from instar.data.drawn.curves import Points, ellipse, limb, moved, smooth
from instar.data.drawn.pets import BUILDS, Pet
from instar.data.drawn.setting import Pixels, photographed, volume


def draw(pet: Pet, size: int) -> Pixels:
    """Return the portrait (size, size, 3)."""
    build = BUILDS[pet.species]
    jaw = pet.head.jaw if build.jaw is None else build.jaw
    pet = replace(pet, head=replace(pet.head, wide=pet.head.wide + build.wider, jaw=jaw))
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
    width = BUILDS[pet.species].body
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
    out = BUILDS[pet.species].ears
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
    if BUILDS[pet.species].tabby:
        for u in (-0.3, 0, 0.3):
            band = limb(head.on_face([0.8 * u, u], [-0.45, -0.75]), [0.07 * head.tall, 0.03 * head.tall])
            canvas.paint(canvas.cover(band) * around * np.float32(0.5), mixed(pet.fur, (0, 0, 0), 0.5), shade)


def _eyes(canvas: Canvas, pet: Pet) -> None:
    head, build = pet.head, BUILDS[pet.species]
    (u, v, radius), (wide, tall) = build.eye, build.pupil
    iris = mixed(pet.iris, (150, 180, 70), build.green)
    for side in (-1, 1):
        (eye,) = head.on_face([side * u], [v], 0.02)
        narrow = head.eye_width(side * u)
        size, turn = radius * head.tall, head.roll - build.slant * side
        rim = ellipse(eye, 1.2 * size * narrow, 1.15 * size * build.eye_tall, turn)
        canvas.paint(canvas.soft(canvas.cover(rim), 0.015 * head.tall), mixed(pet.fur, (10, 6, 6), 0.8))
        canvas.fill(ellipse(eye, size * narrow, size * build.eye_tall, turn), iris)
        pupil = moved(eye, (0.25 * size * pet.gaze, 0))
        canvas.fill(ellipse(pupil, wide * size * narrow, tall * size, head.roll), (12, 10, 12))
        spark = moved(pupil, (-0.25 * size, -0.3 * size))
        canvas.fill(ellipse(spark, 0.2 * size, 0.2 * size), (250, 250, 250))


def _muzzle(canvas: Canvas, pet: Pet, hairs: Plane) -> None:
    head, build = pet.head, BUILDS[pet.species]
    lift, wide, tall, v = build.muzzle
    (middle,) = head.on_face([0], [v], lift)
    outline = ellipse(middle, wide * head.tall, tall * head.tall, head.roll)
    covered = canvas.cover(_tufted(pet, outline))
    canvas.darken(canvas.soft(canvas.cover(moved(outline, (0, 0.06 * head.tall))), 0.08 * head.tall), 0.22)
    colour = pet.light if pet.marking != "none" else mixed(pet.fur, (255, 250, 240), 0.12)
    shade = volume(canvas, covered, pet.setting, 0.2 * head.tall) * hairs
    canvas.paint(canvas.soft(covered, 0.02 * head.tall), colour, shade)
    down = head.at([(0, 1)])[0] - (head.x, head.y)
    side = np.array([down[1], -down[0]])
    size, above = build.nose
    nose = middle - above * down
    tip = nose + 0.85 * size * down
    _lips(canvas, pet, tip, down, mixed(colour, (20, 10, 10), 0.75))
    if build.tabby:
        _whiskers(canvas, pet, middle, down)
    corners = [nose - 1.1 * size * side - 0.45 * size * down, nose + 1.1 * size * side - 0.45 * size * down, tip]
    covered = canvas.cover(smooth(corners, 6))
    canvas.paint(covered, build.pad, volume(canvas, covered, pet.setting, 0.05 * head.tall))


def _lips(canvas: Canvas, pet: Pet, tip: Points, down: Points, colour: Colour) -> None:
    """Paint the line below the nose, from its tip, and the lips at its end; `down` is half a head."""
    side = np.array([down[1], -down[0]])
    canvas.fill(limb([tip, tip + 0.14 * down], [0.035 * pet.head.tall] * 2), colour)
    for sign in (-1, 1):
        lip = [tip + 0.13 * down, tip + 0.2 * down + sign * 0.12 * side, tip + 0.15 * down + sign * 0.26 * side]
        canvas.fill(limb(lip, [0.04 * pet.head.tall] * 3), colour)


def _whiskers(canvas: Canvas, pet: Pet, middle: Points, down: Points) -> None:
    side = np.array([down[1], -down[0]])
    for sign in (-1, 1):
        for spread in (-0.05, 0.03, 0.11):
            root = middle + sign * 0.2 * side + 0.3 * spread * down
            end = root + sign * 0.75 * side + 1.6 * spread * down
            hair = limb([root, end], [0.014 * pet.head.tall, 0.006 * pet.head.tall])
            canvas.fill(hair, (236, 232, 226), opacity=0.8)
