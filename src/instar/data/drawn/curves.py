"""Outlines (N, 2) of things to draw, in units of the picture's side, x to the right and y down."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]
"""(N, 2), x and y. (0, 0) is the picture's upper left corner, (1, 1) its lower right one."""


def ellipse(middle: ArrayLike, half_width: float, half_height: float, turn: float = 0.0) -> Points:
    """Return an ellipse about a point (2,), turned clockwise by `turn` radians."""
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    round_zero = np.stack([half_width * np.cos(angles), half_height * np.sin(angles)], axis=1)
    return moved(turned(round_zero, turn), middle)


def smooth(points: ArrayLike, steps: int = 8) -> Points:
    """Return a closed curve through points (N, 2), without corners (Catmull & Rom 1974)."""
    p1 = np.asarray(points, dtype=np.float64)
    p0, p2, p3 = np.roll(p1, 1, 0), np.roll(p1, -1, 0), np.roll(p1, -2, 0)
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    p0, p1, p2, p3 = (p[:, None] for p in (p0, p1, p2, p3))
    curve = 2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    found: Points = (curve / 2).reshape(-1, 2)
    return found


def limb(points: ArrayLike, widths: Sequence[float]) -> Points:
    """Return the outline of a stroke along points (N, 2) that is `widths` (N) wide there, with round ends."""
    path = np.asarray(points, dtype=np.float64)
    half = np.asarray(widths, dtype=np.float64)[:, None] / 2
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    first, last = path[:1] - along[:1] * half[:1], path[-1:] + along[-1:] * half[-1:]
    return smooth(np.concatenate([first, path - across * half, last, (path + across * half)[::-1]]))


def turned(points: ArrayLike, turn: float) -> Points:
    """Return points (N, 2) turned clockwise about (0, 0) by `turn` radians."""
    cos, sin = np.cos(turn), np.sin(turn)
    found: Points = np.asarray(points, dtype=np.float64) @ np.array([[cos, sin], [-sin, cos]])
    return found


def moved(points: Points, by: ArrayLike) -> Points:
    """Return points (N, 2) moved by (2,)."""
    return points + np.asarray(by, dtype=np.float64)


def strip(line: Points, by: ArrayLike) -> Points:
    """Return the outline of what a line (N, 2) sweeps over when it moves by (2,)."""
    return np.concatenate([line, moved(line, by)[::-1]])
