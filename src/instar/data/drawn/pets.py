"""Cats and dogs, of which `instar.data.drawn.pet_portraits` makes pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from instar.data.drawn import backdrops
from instar.data.drawn.canvas import Colour, drawn_from, mixed
from instar.data.drawn.head import Head
from instar.data.drawn.setting import Level, Setting, sampled

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


@dataclass(frozen=True)
class Build:
    """What makes a species; lengths in half heights of the head, places as u and v of `Head.on_face`."""

    wider: float
    """Added to the head's width."""
    jaw: float | None
    """Instead of the head's own."""
    body: float
    """Width of the shoulders."""
    ears: float
    """How far the tips of pricked ears stand out."""
    eye: tuple[float, float, float]
    """u, v and radius."""
    eye_tall: float
    """Height of an eye by its width."""
    slant: float
    """By how much the eyes are turned, outwards up, in radians."""
    pupil: tuple[float, float]
    """Width and height, in radii of the eye."""
    green: float
    """How green the iris is, 0..1."""
    muzzle: tuple[float, float, float, float]
    """How far it stands out, half width, half height, and v."""
    nose: tuple[float, float]
    """Its size, and how far it is above the middle of the muzzle."""
    pad: Colour
    """Colour of the nose."""
    tabby: bool
    """Bands on the forehead, and whiskers."""


BUILDS: dict[Species, Build] = {
    "cat": Build(
        wider=0.22,
        jaw=0.16,
        body=1.0,
        ears=1.0,
        eye=(0.42, -0.1, 0.17),
        eye_tall=0.8,
        slant=0.25,
        pupil=(0.28, 0.74),
        green=0.7,
        muzzle=(0.08, 0.36, 0.26, 0.36),
        nose=(0.1, 0.1),
        pad=(188, 110, 104),
        tabby=True,
    ),
    "dog": Build(
        wider=0.0,
        jaw=None,
        body=1.15,
        ears=0.92,
        eye=(0.36, -0.16, 0.12),
        eye_tall=0.95,
        slant=0.0,
        pupil=(0.58, 0.58),
        green=0.0,
        muzzle=(0.42, 0.46, 0.48, 0.34),
        nose=(0.2, 0.24),
        pad=(34, 28, 30),
        tabby=False,
    ),
}


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
