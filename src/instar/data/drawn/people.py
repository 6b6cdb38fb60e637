"""Portraits of people: a head that turns, hair, clothes, and things that may be in a face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from instar.data.drawn import backdrops, faces, wear
from instar.data.drawn.canvas import Canvas, Plane, drawn_from, mixed
from instar.data.drawn.curves import ellipse, limb, moved, smooth
from instar.data.drawn.faces import Face, Mouth
from instar.data.drawn.head import Head
from instar.data.drawn.setting import Level, Pixels, Setting, photographed, sampled, volume
from instar.data.drawn.wear import Hat, Mask

_SKINS = ((244, 213, 190), (233, 194, 164), (212, 165, 130), (176, 124, 90), (132, 88, 62), (92, 62, 46))
_HAIRS = ((28, 24, 24), (58, 40, 30), (98, 66, 42), (150, 104, 62), (206, 170, 112), (150, 146, 142), (140, 66, 38))


@dataclass(frozen=True)
class Person:
    """A portrait, with or without what a change adds."""

    setting: Setting
    head: Head
    face: Face
    mouth: Mouth
    hair: str
    """bald, short, bob or long."""
    hair_colour: tuple[float, ...]
    hairline: float
    """Where hair ends on the forehead, as v of `Head.on_face`."""
    clothes: tuple[float, ...]
    collar: bool
    glasses: bool
    scarf: tuple[float, ...] | None
    mask: Mask | None = None
    hat: Hat | None = None


def sample(rng: np.random.Generator, level: Level) -> Person:
    """Draw a person with a closed mouth and nothing on."""
    wide = level == "cluttered"
    setting = sampled(rng, level, backdrops.INDOORS)
    turn = 1.0 if wide else 0.45
    tall = float(rng.uniform(0.2, 0.34) if wide else rng.uniform(0.27, 0.32))
    head = Head(
        x=float(0.5 + turn * rng.uniform(-0.14, 0.14)),
        y=float(max(0.47 + turn * rng.uniform(-0.07, 0.05), 1.42 * tall)),
        tall=tall,
        wide=float(rng.uniform(0.72, 0.82)),
        jaw=float(rng.uniform(0.12, 0.34)),
        yaw=float(turn * rng.uniform(-0.55, 0.55)),
        pitch=float(turn * rng.uniform(-0.2, 0.2)),
        roll=float(turn * rng.uniform(-0.26, 0.26)),
    )
    skin = drawn_from(rng, _SKINS, 0.3)
    return Person(
        setting=setting,
        head=head,
        face=faces.sample(rng, skin),
        mouth=faces.closed_mouth(rng),
        hair=str(rng.choice(("short", "short", "bob", "long", "bald") if wide else ("short", "bob", "long"))),
        hair_colour=drawn_from(rng, _HAIRS, 0.3),
        hairline=float(rng.uniform(-0.62, -0.48)),
        clothes=tuple(backdrops.hue(rng, (0.1, 0.8), (0.2, 0.9))),
        collar=bool(rng.random() < 0.5),
        glasses=bool(wide and rng.random() < 0.25),
        scarf=tuple(backdrops.hue(rng, (0.1, 0.8), (0.3, 1))) if wide and rng.random() < 0.25 else None,
    )


def draw(person: Person, size: int) -> Pixels:
    """Return the portrait (size, size, 3)."""
    canvas = Canvas(size)
    backdrops.draw(canvas, person.setting)
    strands = canvas.grain(person.setting.random(2), 56, 5.0)
    if person.hair in ("bob", "long"):
        _back_hair(canvas, person, strands)
    _body(canvas, person)
    head = canvas.cover(person.head.outline())
    skin = volume(canvas, head, person.setting, 0.3 * person.head.tall)
    skin *= 1 + np.float32(0.012) * canvas.grain(person.setting.random(3), 64)
    _ears(canvas, person, skin)
    canvas.paint(head, person.face.skin, skin)
    faces.draw(canvas, person.head, person.face, skin)
    faces.draw_mouth(canvas, person.head, person.face, person.mouth, skin, head)
    if person.mask:
        wear.draw_mask(canvas, person.head, person.mask, person.setting)
    if person.hair != "bald":
        _front_hair(canvas, person, strands)
    if person.glasses:
        wear.draw_glasses(canvas, person.head)
    if person.hat:
        wear.draw_hat(canvas, person.head, person.hat, person.setting)
    return photographed(canvas, person.setting)


def _ears(canvas: Canvas, person: Person, skin: Plane) -> None:
    head = person.head
    for side in (-1, 1):
        (place,) = head.at([(side * head.wide * (0.99 - 0.12 * side * head.yaw), 0.02)])
        shown = 0.13 * head.tall * (1 - 0.5 * side * np.sin(head.yaw))
        canvas.fill(ellipse(place, shown, 0.2 * head.tall, head.roll), person.face.skin, skin)
        canvas.fill(
            ellipse(place, 0.55 * shown, 0.13 * head.tall, head.roll), mixed(person.face.skin, (90, 30, 20), 0.3)
        )


def _body(canvas: Canvas, person: Person) -> None:
    head = person.head
    x, y, tall = head.x, head.y, head.tall
    chin, base = y + 0.8 * tall, y + 1.5 * tall
    neck = limb([(x, y + 0.4 * tall), (x, chin), (x, base)], [0.8 * tall, 0.78 * tall, 1.0 * tall])
    covered = canvas.cover(neck)
    canvas.paint(
        covered, mixed(person.face.skin, (60, 20, 10), 0.14), volume(canvas, covered, person.setting, 0.12 * tall)
    )
    shadow = canvas.soft(canvas.cover(moved(head.outline(1.02), (0, 0.2 * tall))), 0.03)
    canvas.darken(shadow * covered, 0.3)
    shoulders = smooth(
        [
            (x - 0.45 * tall, base - 0.12 * tall),
            (x + 0.45 * tall, base - 0.12 * tall),
            (x + 1.5 * tall, base + 0.35 * tall),
            (x + 2 * tall, 1.5),
            (x - 2 * tall, 1.5),
            (x - 1.5 * tall, base + 0.35 * tall),
        ]
    )
    covered = canvas.cover(shoulders)
    folds = 1 + np.float32(0.05) * canvas.grain(person.setting.random(4), 14, 2.0)
    canvas.paint(covered, person.clothes, volume(canvas, covered, person.setting, 0.3 * tall) * folds)
    opening = smooth(
        [(x - 0.42 * tall, base - 0.2 * tall), (x + 0.42 * tall, base - 0.2 * tall), (x, base + 0.4 * tall)]
    )
    canvas.fill(opening, mixed(person.face.skin, (60, 20, 10), 0.1))
    if person.collar:
        for side in (-1, 1):
            flap = [(x + side * 0.5 * tall, base - 0.25 * tall), (x + side * 0.1 * tall, base + 0.5 * tall)]
            flap.append((x + side * 0.7 * tall, base + 0.25 * tall))
            canvas.fill(np.array(flap), mixed(person.clothes, (255, 255, 255), 0.35))
    if person.scarf:
        band = limb(
            [(x - 0.6 * tall, chin + 0.35 * tall), (x, chin + 0.6 * tall), (x + 0.6 * tall, chin + 0.35 * tall)],
            [0.5 * tall] * 3,
        )
        covered = canvas.cover(band)
        canvas.paint(covered, person.scarf, volume(canvas, covered, person.setting, 0.1 * tall) * folds)


def _back_hair(canvas: Canvas, person: Person, strands: Plane) -> None:
    head = person.head
    low = 1.9 if person.hair == "long" else 1.0
    width = 1.16 * head.wide
    top = head.edge(np.linspace(np.pi, 2 * np.pi, 24), 1.13)
    sides = head.at([(width * 1.02, 0.5 * low), (0.95 * width, low), (-0.95 * width, low), (-width * 1.02, 0.5 * low)])
    covered = canvas.cover(np.concatenate([top, sides]))
    shade = volume(canvas, covered, person.setting, 0.3 * head.tall) * (0.72 + np.float32(0.1) * strands)
    canvas.paint(covered, person.hair_colour, shade)


def _front_hair(canvas: Canvas, person: Person, strands: Plane) -> None:
    head, line = person.head, person.hairline
    top = head.edge(np.linspace(np.pi - 0.1, 2 * np.pi + 0.1, 32), 1.1)
    part = person.setting.random(5).uniform(-0.4, 0.4)
    u = np.array([0.98, 0.8, 0.55, part, -0.55, -0.8, -0.98])
    down = 0.05 if person.hair == "short" else 0.35
    v = np.array([down, line + 0.3, line + 0.08, line - 0.1, line + 0.08, line + 0.3, down])
    covered = canvas.cover(np.concatenate([top, head.on_face(u, v)]))
    shade = volume(canvas, covered, person.setting, 0.16 * head.tall) * (1 + np.float32(0.12) * strands)
    canvas.darken(canvas.soft(covered, 0.012) * canvas.cover(head.outline()), 0.25)
    canvas.paint(covered, person.hair_colour, shade)
