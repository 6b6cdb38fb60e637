"""A head in space: where the parts of a face stand in the picture when it turns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from instar.data.drawn.curves import Points, moved, turned

_REACH = 1.35
"""Longitude and latitude, in radians, of the edge of a face, u or v = 1."""


@dataclass(frozen=True)
class Head:
    """A rounded head and how it is turned."""

    x: float
    """Of its middle, in sides of the picture."""
    y: float
    tall: float
    """Half of its height, in sides of the picture."""
    wide: float
    """Its width by its height."""
    jaw: float
    """How much narrower it is below, 0..1."""
    yaw: float
    """Turn to the right of the picture, in radians."""
    pitch: float
    """Nod down, in radians."""
    roll: float
    """Tilt clockwise, in radians."""

    def on_face(self, u: ArrayLike, v: ArrayLike, lift: float = 0.0) -> Points:
        """Return the places (N, 2) of points of the face's surface, parallel projection.

        Args:
            u: from -1, the left edge of a face that looks ahead, to 1.
            v: from -1, above, to 1, below.
            lift: how far the points stand out, in half heights of the head.
        """
        longitude, latitude = np.broadcast_arrays(_REACH * np.asarray(u, float), _REACH * np.asarray(v, float))
        radius = 1 + lift
        across = radius * self.wide * np.cos(latitude) * np.sin(longitude)
        down = radius * np.sin(latitude)
        ahead = radius * 1.05 * self.wide * np.cos(latitude) * np.cos(longitude)
        x = across * np.cos(self.yaw) + ahead * np.sin(self.yaw)
        ahead = ahead * np.cos(self.yaw) - across * np.sin(self.yaw)
        y = down * np.cos(self.pitch) + ahead * np.sin(self.pitch)
        return self.at(np.stack([x, y], axis=-1))

    def at(self, points: ArrayLike) -> Points:
        """Return points (N, 2) given in half heights from the head's middle, upright, as they stand in the picture."""
        return moved(turned(self.tall * np.asarray(points, dtype=np.float64), self.roll), (self.x, self.y))

    def edge(self, angles: ArrayLike, grown: float = 1.0) -> Points:
        """Return points (N, 2) of the head's outline.

        Args:
            angles: in radians clockwise from the right, so that a quarter turn is the chin.
            grown: times the size.
        """
        around = np.asarray(angles, dtype=np.float64)
        below = np.maximum(np.sin(around), 0) ** 1.5
        x = self.wide * np.cos(around) * (1 - self.jaw * below) + 0.35 * self.wide * np.sin(self.yaw) * below
        y = np.sin(around)
        return self.at(grown * np.stack([x, y], axis=-1))

    def outline(self, grown: float = 1.0) -> Points:
        """Return the whole outline."""
        return self.edge(np.linspace(0, 2 * np.pi, 72, endpoint=False), grown)

    def eye_width(self, u: float) -> float:
        """Return how much of its width a thing at longitude `u` shows, 0..1."""
        return float(max(np.cos(_REACH * u + self.yaw), 0.15))
