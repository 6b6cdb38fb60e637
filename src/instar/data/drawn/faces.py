"""The parts of a person's face: eyes, brows, nose and mouth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from instar.data.drawn.canvas import Canvas, Plane, mixed
from instar.data.drawn.curves import ellipse, moved, smooth, strip
from instar.data.drawn.head import Head


@dataclass(frozen=True)
class Face:
    """What does not change when a face moves."""

    skin: tuple[float, ...]
    lips: tuple[float, ...]
    brows: tuple[float, ...]
    iris: tuple[float, ...]
    eyes: float
    """How open they are, 0..1."""
    gaze: float
    """-1 left, 1 right."""
    nose: float
    """Its width, 1 being usual."""


@dataclass(frozen=True)
class Mouth:
    """The form of a mouth."""

    wide: float
    """Its half width, as u of `Head.on_face`."""
    smile: float
    """How far its corners are drawn up, as v; below 0 they hang."""
    opened: float
    """How far the lips are apart, as v; 0 is closed."""


def sample(rng: np.random.Generator, skin: tuple[float, ...]) -> Face:
    """Draw the parts of a face that go with a skin."""
    return Face(
        skin=skin,
        lips=mixed(skin, (170, 50, 60), float(rng.uniform(0.3, 0.6))),
        brows=mixed((30, 22, 18), (120, 84, 56), float(rng.random())),
        iris=mixed((70, 48, 30), ((86, 120, 150), (84, 110, 70))[int(rng.integers(2))], float(rng.random())),
        eyes=float(rng.uniform(0.55, 1)),
        gaze=float(rng.uniform(-0.6, 0.6)),
        nose=float(rng.uniform(0.8, 1.25)),
    )


def closed_mouth(rng: np.random.Generator) -> Mouth:
    """Draw a mouth at rest, from a little sad to a little glad."""
    return Mouth(float(rng.uniform(0.22, 0.3)), float(rng.uniform(-0.03, 0.04)), 0.0)


def open_smile(rng: np.random.Generator) -> Mouth:
    """Draw a mouth that laughs."""
    return Mouth(float(rng.uniform(0.34, 0.42)), float(rng.uniform(0.1, 0.16)), float(rng.uniform(0.21, 0.3)))


def draw(canvas: Canvas, head: Head, face: Face, skin: Plane) -> None:
    """Paint cheeks, eyes, brows and nose on a head."""
    for side in (-1, 1):
        (cheek,) = head.on_face([0.55 * side], [0.3])
        blush = canvas.soft(canvas.cover(ellipse(cheek, 0.17 * head.tall, 0.14 * head.tall)), 0.05 * head.tall)
        canvas.paint(blush * np.float32(0.25), mixed(face.skin, (210, 90, 80), 0.6), skin)
        _eye(canvas, head, face, side)
        u = side * np.array([0.2, 0.42, 0.64])
        above = head.on_face(u, np.array([-0.29, -0.36, -0.27]))
        below = head.on_face(u, np.array([-0.23, -0.30, -0.24]))
        canvas.fill(smooth(np.concatenate([above, below[::-1]])), face.brows, opacity=0.9)
    _nose(canvas, head, face, skin)


def _eye(canvas: Canvas, head: Head, face: Face, side: int) -> None:
    middle, v, open_ = 0.4 * side, -0.11, 0.085 * face.eyes
    u = middle + np.array([-0.18, -0.09, 0.0, 0.09, 0.18])
    upper = head.on_face(u, v - open_ * np.array([0, 0.75, 1, 0.75, 0]), 0.01)
    lower = head.on_face(u[1:-1], v + open_ * np.array([0.5, 0.7, 0.5]), 0.01)
    hollow = canvas.soft(canvas.cover(smooth(np.concatenate([upper, lower[::-1]]))), 0.03 * head.tall)
    canvas.darken(hollow, 0.25)
    white = canvas.cover(smooth(np.concatenate([upper, lower[::-1]])))
    canvas.paint(white, (236, 232, 226))
    (pupil,) = head.on_face([middle + 0.06 * face.gaze], [v - 0.005], 0.01)
    radius, narrow = 0.085 * head.tall, head.eye_width(middle)
    for colour, share in ((face.iris, 1.0), ((14, 12, 12), 0.5)):
        canvas.paint(canvas.cover(ellipse(pupil, share * radius * narrow, share * radius, head.roll)) * white, colour)
    spark = ellipse(moved(pupil, (-0.3 * radius, -0.35 * radius)), 0.25 * radius, 0.25 * radius)
    canvas.paint(canvas.cover(spark) * white, (250, 250, 250))
    lid = np.concatenate([upper, head.on_face(u, v - (open_ + 0.025) * np.array([0, 0.75, 1, 0.75, 0]), 0.01)[::-1]])
    canvas.fill(lid, (40, 26, 22), opacity=0.85)


def _nose(canvas: Canvas, head: Head, face: Face, skin: Plane) -> None:
    far = -1 if head.yaw > 0 else 1
    wide = 0.13 * face.nose
    (top,), (tip,) = head.on_face([0], [-0.1], 0.02), head.on_face([0], [0.19], 0.16)
    (left,), (right,), (under,) = (
        head.on_face([u], [0.22], lift) for u, lift in ((-wide, 0.03), (wide, 0.03), (0, 0.1))
    )
    wing = left if far < 0 else right
    shadow = canvas.cover(smooth([top, tip, under, wing]))
    canvas.paint(canvas.soft(shadow, 0.02 * head.tall) * np.float32(0.35), mixed(face.skin, (80, 30, 20), 0.6), skin)
    light = canvas.cover(ellipse(moved(tip, (0, -0.03 * head.tall)), 0.05 * head.tall, 0.07 * head.tall))
    canvas.paint(canvas.soft(light, 0.03 * head.tall) * np.float32(0.3), mixed(face.skin, (255, 255, 255), 0.6), skin)
    ball = smooth([left, under + (under - tip) * 0.3, right, tip])
    canvas.paint(canvas.cover(ball) * np.float32(0.3), mixed(face.skin, (190, 90, 70), 0.4), skin)
    for side in (left, right):
        hole = moved(0.55 * side + 0.45 * under, (0, 0.02 * head.tall))
        canvas.fill(ellipse(hole, 0.035 * head.tall, 0.02 * head.tall, head.roll), mixed(face.skin, (30, 8, 6), 0.75))


def draw_mouth(canvas: Canvas, head: Head, face: Face, mouth: Mouth, skin: Plane, within: Plane) -> None:
    """Paint the lips, and what is seen between them, on a head that covers `within`."""
    v = 0.47
    t = np.linspace(-1, 1, 13)
    rise = -mouth.smile * t**2
    bow = 1 - t**2
    gap = 0.5 * mouth.opened * bow
    thick = 0.055 * np.sqrt(bow.clip(0))
    heart = thick * (1 - 0.25 * np.exp(-((t / 0.15) ** 2)))
    upper, inner = v + rise - 0.6 * gap - heart, v + rise - 0.6 * gap
    teeth, inside = inner + np.minimum(0.55 * gap, 0.1) + 0.2 * gap, v + rise + 1.6 * gap
    lower = inside + 1.2 * thick
    u = mouth.wide * t
    rows = [head.on_face(u, row, 0.03) for row in (upper, inner, teeth, inside, lower)]
    shadow = canvas.cover(np.concatenate([rows[3], head.on_face(u, lower + 0.06, 0.03)[::-1]])) * within
    canvas.paint(canvas.soft(shadow, 0.02 * head.tall) * np.float32(0.25), mixed(face.skin, (70, 25, 15), 0.6), skin)
    if mouth.opened > 0:
        canvas.paint(canvas.cover(np.concatenate([rows[1], rows[3][::-1]])) * within, (70, 20, 22))
        (tongue,) = head.on_face([0], [v + 0.55 * mouth.opened], 0.02)
        mound = canvas.cover(ellipse(tongue, 0.6 * mouth.wide * head.tall, 0.1 * head.tall, head.roll))
        canvas.paint(mound * canvas.cover(np.concatenate([rows[1], rows[3][::-1]])), (186, 92, 92))
        canvas.paint(canvas.cover(np.concatenate([rows[1], rows[2][::-1]])) * within, (240, 236, 226))
    canvas.paint(
        canvas.cover(np.concatenate([rows[0], rows[1][::-1]])) * within, mixed(face.lips, (0, 0, 0), 0.1), skin
    )
    canvas.paint(
        canvas.cover(np.concatenate([rows[3], rows[4][::-1]])) * within, mixed(face.lips, (255, 230, 220), 0.1), skin
    )
    if mouth.opened == 0:
        line = np.concatenate(
            [head.on_face(1.05 * u, v + rise - 0.012, 0.03), head.on_face(1.05 * u, v + rise + 0.014, 0.03)[::-1]]
        )
        canvas.paint(canvas.cover(line) * within, mixed(face.lips, (30, 5, 8), 0.7))
    if mouth.smile > 0.06:
        for side in (-1, 1):
            u_fold = side * (mouth.wide + np.array([-0.06, 0.06, 0.04]))
            fold = head.on_face(u_fold, np.array([0.2, 0.32, 0.47]), 0.02)
            crease = strip(fold, (0.02 * head.tall, 0))
            canvas.paint(
                canvas.soft(canvas.cover(crease), 0.015 * head.tall) * np.float32(0.5),
                mixed(face.skin, (80, 30, 20), 0.6),
            )
