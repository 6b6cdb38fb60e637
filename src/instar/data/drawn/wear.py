"""Things that a person wears on the head: a mask over mouth and nose, hats, glasses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from instar.data.drawn.canvas import Canvas, mixed
from instar.data.drawn.curves import ellipse, limb, moved, smooth, strip
from instar.data.drawn.head import Head
from instar.data.drawn.setting import Setting, volume


@dataclass(frozen=True)
class Mask:
    """A mask over mouth and nose."""

    colour: tuple[float, ...]
    top: float
    """Where it begins on the nose, as v of `Head.on_face`."""


@dataclass(frozen=True)
class Hat:
    """A knitted cap or a hat with a brim."""

    kind: Literal["cap", "brim"]
    colour: tuple[float, ...]
    low: float
    """Where its edge is on the forehead, as v of `Head.on_face`."""
    tall: float
    """How far it stands above the head, in half heights of the head."""


def draw_mask(canvas: Canvas, head: Head, mask: Mask, setting: Setting) -> None:
    """Paint a mask with its folds and bands."""
    t = np.linspace(-1, 1, 15)
    edge = 0.86
    top = head.on_face(edge * t, mask.top + 0.16 * np.abs(t) ** 1.6, 0.05)
    left, right = head.on_face([-edge, -0.74], [0.4, 0.62], 0.05), head.on_face([0.74, edge], [0.62, 0.4], 0.05)
    chin = head.edge(np.linspace(0.5 * np.pi - 0.6, 0.5 * np.pi + 0.6, 9), 1.05)
    covered = canvas.cover(np.concatenate([top, right[::-1], chin, left[::-1]]))
    for side in (-1, 1):
        (ear,) = head.at([(side * 0.98 * head.wide, 0.05)])
        for u, v in ((edge, mask.top + 0.2), (0.78, 0.58)):
            (corner,) = head.on_face([side * u], [v], 0.04)
            canvas.fill(limb([corner, ear], [0.03 * head.tall] * 2), mixed(mask.colour, (255, 255, 255), 0.3))
    canvas.darken(canvas.soft(covered, 0.03 * head.tall), 0.2)
    shade = volume(canvas, covered, setting, 0.24 * head.tall)
    canvas.paint(covered, mask.colour, shade)
    for v in (mask.top + 0.22, mask.top + 0.38, mask.top + 0.54):
        fold = head.on_face(0.8 * edge * t, v + 0.05 * t**2, 0.05)
        crease = canvas.cover(strip(fold, (0, 0.025 * head.tall))) * covered
        canvas.paint(crease * np.float32(0.5), mixed(mask.colour, (0, 0, 0), 0.35), shade)
    seam = canvas.cover(strip(top, (0, 0.04 * head.tall)))
    canvas.paint(seam * np.float32(0.6), mixed(mask.colour, (255, 255, 255), 0.5), shade)


def draw_hat(canvas: Canvas, head: Head, hat: Hat, setting: Setting) -> None:
    """Paint a hat, and its shadow on the face."""
    (_draw_cap if hat.kind == "cap" else _draw_brim)(canvas, head, hat, setting)


def _draw_cap(canvas: Canvas, head: Head, hat: Hat, setting: Setting) -> None:
    # Only as far round as the face is seen: beyond it the edge is behind the head.
    t = np.linspace(max(-1, -1.1 - 0.74 * head.yaw), min(1, 1.1 - 0.74 * head.yaw), 15)
    low = head.on_face(t, hat.low + 0.12 * t**2, 0.14)
    dome = head.edge(np.linspace(2 * np.pi - 0.3, np.pi + 0.3, 24), 1.14)
    middle = np.array([head.x, head.y])
    up = head.at([(0, -1.0)])[0] - middle
    height = np.clip((dome - middle) @ up / (up @ up), 0, None)[:, None]
    lifted = dome + height * hat.tall * up
    covered = canvas.cover(np.concatenate([low, lifted]))
    canvas.darken(
        canvas.soft(canvas.cover(moved(np.concatenate([low, lifted]), (0, 0.05 * head.tall))), 0.03 * head.tall), 0.3
    )
    knit = 1 + np.float32(0.07) * np.sin(2 * np.pi * canvas.x / (0.09 * head.tall))
    shade = volume(canvas, covered, setting, 0.25 * head.tall) * knit
    canvas.paint(covered, hat.colour, shade)
    fold = canvas.cover(np.concatenate([low, head.on_face(t, hat.low - 0.2 + 0.12 * t**2, 0.16)[::-1]]))
    canvas.paint(fold, mixed(hat.colour, (255, 255, 255), 0.16), volume(canvas, fold, setting, 0.08 * head.tall) * knit)


def _draw_brim(canvas: Canvas, head: Head, hat: Hat, setting: Setting) -> None:
    (middle,) = head.at([(0.2 * head.wide * np.sin(head.yaw), 1.2 * hat.low)])
    flat = head.tall * (0.2 + 0.6 * abs(head.pitch))
    brim = ellipse(middle, 1.5 * head.wide * head.tall, flat, head.roll)
    widths = np.array([-0.93, -0.8, -0.3, 0.3, 0.8, 0.93]) * head.wide
    foot, shoulder, top = 1.2 * hat.low, -1.0 - hat.tall, -1.16 - hat.tall
    crown = head.at(np.stack([widths, [foot, shoulder, top, top, shoulder, foot]], axis=1))
    canvas.darken(canvas.soft(canvas.cover(moved(brim, (0, 0.12 * head.tall))), 0.05 * head.tall), 0.35)
    covered = canvas.cover(brim)
    canvas.paint(covered, mixed(hat.colour, (0, 0, 0), 0.12), volume(canvas, covered, setting, 0.08 * head.tall))
    covered = canvas.cover(smooth(crown))
    canvas.paint(covered, hat.colour, volume(canvas, covered, setting, 0.25 * head.tall))
    band = head.at(
        [
            (-0.96 * head.wide, 1.2 * hat.low),
            (-0.95 * head.wide, 1.2 * hat.low - 0.18),
            (0.95 * head.wide, 1.2 * hat.low - 0.18),
            (0.96 * head.wide, 1.2 * hat.low),
        ]
    )
    canvas.paint(canvas.cover(band) * covered, mixed(hat.colour, (20, 16, 20), 0.7))


def draw_glasses(canvas: Canvas, head: Head) -> None:
    """Paint a thin frame and its glass."""
    for side in (-1, 1):
        (eye,) = head.on_face([0.4 * side], [-0.1], 0.06)
        wide, tall = 0.25 * head.tall * head.eye_width(0.4 * side), 0.2 * head.tall
        rim, glass = ellipse(eye, wide, tall, head.roll), ellipse(eye, 0.86 * wide, 0.83 * tall, head.roll)
        canvas.paint(canvas.cover(rim) - canvas.cover(glass), (34, 30, 32))
        canvas.fill(glass, (235, 240, 245), opacity=0.08)
    bridge = head.on_face([-0.16, 0, 0.16], [-0.12, -0.15, -0.12], 0.06)
    canvas.fill(limb(bridge, [0.035 * head.tall] * 3), (34, 30, 32))
