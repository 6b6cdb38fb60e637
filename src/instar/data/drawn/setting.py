"""What all scenes share: where it is, how the light falls, and what the camera adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from instar.data.drawn.canvas import Canvas, Plane

Level = Literal["easy", "cluttered"]
Pixels = NDArray[np.uint8]
"""(size, size, 3)."""


@dataclass(frozen=True)
class Setting:
    """Place, light and camera."""

    place: str
    """Which backdrop is drawn."""
    seed: int
    """Of the things in the backdrop, of textures and of the camera's noise."""
    side: float
    """Where the light comes from: -1 left, 1 right."""
    contrast: float
    """How much darker the far side of things is, 0..1."""
    exposure: float
    """Times the colours."""
    warmth: float
    """Above 0 reds are brighter and blues darker, by this share."""
    vignette: float
    """How much darker the corners are, 0..1."""
    noise: float
    """Standard deviation, in grey levels."""

    def random(self, what: int) -> np.random.Generator:
        """Return a generator for one thing of the picture, so that no other thing's drawing moves it."""
        return np.random.default_rng([self.seed, what])


def sampled(rng: np.random.Generator, level: Level, places: dict[Level, tuple[str, ...]]) -> Setting:
    """Draw a setting at one of the places of the level."""
    wide = level == "cluttered"
    return Setting(
        place=str(rng.choice(places[level])),
        seed=int(rng.integers(2**31)),
        side=float(rng.uniform(-1, 1)),
        contrast=float(rng.uniform(0.3, 0.65) if wide else rng.uniform(0.25, 0.4)),
        exposure=float(rng.uniform(0.78, 1.12) if wide else rng.uniform(0.92, 1.05)),
        warmth=float(rng.uniform(-0.08, 0.1) if wide else rng.uniform(-0.03, 0.03)),
        vignette=float(rng.uniform(0, 0.35) if wide else 0.1),
        noise=float(rng.uniform(1, 5) if wide else 1.5),
    )


def volume(canvas: Canvas, where: Plane, setting: Setting, depth: float) -> Plane:
    """Return the shade of something round that covers a plane: bright towards the light, dark at the far side.

    Args:
        canvas: on which it stands.
        where: what it covers.
        setting: the light.
        depth: how far from its edge a thing curves, in sides.
    """
    down, right = (np.float32(2.5 * depth) * slope for slope in canvas.slopes(where, depth))
    light = np.array([0.75 * setting.side, -0.55, 0.7])
    light /= np.linalg.norm(light)
    facing = (-right * light[0] - down * light[1] + light[2]) / np.sqrt(1 + right**2 + down**2)
    shade: Plane = (1 + setting.contrast * (facing / light[2] - 1)).astype(np.float32)
    return shade.clip(0.25, 1.35)


def photographed(canvas: Canvas, setting: Setting) -> Pixels:
    """Return the canvas as a camera sees it."""
    corner = 2 * ((canvas.x - 0.5) ** 2 + (canvas.y - 0.5) ** 2)
    canvas.darken(corner, setting.vignette)
    tint = np.array([1 + setting.warmth, 1, 1 - setting.warmth], np.float32)
    small = canvas.shrunk() * (tint * np.float32(setting.exposure))
    # The shoulder of a film: what is above white fades into it instead of being cut.
    bright = np.where(small > 225, 225 + 30 * np.tanh((small - 225) / 30), small)
    noise = setting.random(0).normal(0, setting.noise, small.shape[:2])[..., None]
    pixels: Pixels = np.rint((bright + noise).clip(0, 255)).astype(np.uint8)
    return pixels
