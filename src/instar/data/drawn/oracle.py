"""Oracles of drawn sets: is the change there, and what else did a translation change? No network is asked.

An oracle knows what its picture was drawn from, so it can draw the same scene with the change in every form that the
target domain has, and see how near a translation comes to one of them. A copy of the input has strength 0, the truth 1,
and half of the way, in blend or in area, one half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from instar.data.drawn.bands import Bands
from instar.data.drawn.canvas import blurred
from instar.data.drawn.forms import NearestForm
from instar.data.drawn.kinds import Kind, Painted
from instar.data.drawn.paint import Paint
from instar.data.drawn.places import grown
from instar.data.drawn.setting import Pixels

Colours = NDArray[np.float32]
"""(size, size, 3), 0..255."""

ENOUGH = 0.6
"""Strength from which the target is there: more than half of it gives."""
_MARGIN = 3
"""Pixels of a picture of 64 by which a form may be larger than those that are drawn to compare."""
_NOTICED = 12.0
"""Grey levels from which a place is named that changed without need."""


@dataclass(frozen=True)
class Reading:
    """What an oracle says of one translation."""

    strength: float
    """0..1: how far it is from the input to the change."""
    outside: float
    """Mean absolute difference to the input, in grey levels, where the change has no business."""
    cast: float
    """Part of `outside`: what one gain and one offset for each of red, green and blue explain."""
    where: tuple[float, float] | None
    """Where it changed most without need beyond the cast, from the upper left corner in sides; None if nowhere."""

    @property
    def target(self) -> bool:
        """Whether the change is there."""
        return self.strength >= ENOUGH


class _Measure(Protocol):
    region: NDArray[np.bool_]
    """(size, size), where the change may be."""

    def strength(self, picture: Colours) -> float:
        """Return 0..1 for a picture without a cast."""


class Oracle:
    """Knows the scene of one picture of domain A."""

    def __init__(self, drawn: Kind, scene: Any, size: int) -> None:
        """Prepare for translations of `scene`, drawn at `size`: draws it in all forms of the change."""
        self.picture: Pixels = drawn.draw(scene, size)
        self._input = self.picture.astype(np.float32)
        self._radius = size / 32
        self._smooth = blurred(self._input, self._radius)
        self._measure = self._measured(drawn, scene)
        self.region = grown(self._measure.region, _MARGIN * size // 64)

    def _measured(self, drawn: Kind, scene: Any) -> _Measure:
        forms = drawn.options(scene)
        painted = [form for form in forms if isinstance(form, Painted)]
        if painted:
            return Paint(self._input, painted, drawn.draw)
        plain = [form for form in forms if not isinstance(form, Painted)]
        return NearestForm(self._input, plain, drawn.draw) if plain else Bands(scene, drawn.draw, len(self.picture))

    def read(self, translation: Pixels) -> Reading:
        """Return what a translation (size, size, 3) of the picture is.

        Raises:
            ValueError: it has another size.
        """
        if translation.shape != self.picture.shape:
            raise ValueError(f"a translation of {self.picture.shape} must have that shape, got {translation.shape}")
        out, outside = translation.astype(np.float32), ~self.region
        # Smoothed: where a picture is shifted or noisy, its pixels would seem to follow the input's less than they do.
        gain, offset = cast_between(self._smooth[outside], blurred(out, self._radius)[outside])
        tinted = gain * self._input + offset
        apart = np.abs(out - tinted).mean(2) * outside
        return Reading(
            strength=self._measure.strength((out - offset) / gain),
            outside=float(np.abs(out - self._input)[outside].mean()),
            cast=float(np.abs(tinted - self._input)[outside].mean()),
            where=_strongest(apart),
        )


def cast_between(a: Colours, b: Colours) -> tuple[Colours, Colours]:
    """Return gain and offset (3,) with which a (N, 3) comes nearest to b, the worst third of the pixels left out.

    A negative gain is that of a picture whose light and dark are swapped.
    """
    found = [_line(a[:, i].astype(np.float64), b[:, i].astype(np.float64)) for i in range(3)]
    gain, offset = np.array(found, np.float32).T
    return gain, offset


def _line(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    kept = (b > 4) & (b < 251)  # at the ends of the range a cast is cut off
    if kept.sum() < len(a) / 20:
        kept = np.ones(len(a), bool)
    gain, offset = 1.0, 0.0
    for _ in range(4):
        x, y = a[kept] - a[kept].mean(), b[kept] - b[kept].mean()
        # A picture of one tone does not tell a gain from an offset.
        slope = float(x @ y / (x @ x)) if x @ x > 9 * len(x) else 1.0
        gain = float(np.copysign(np.clip(abs(slope), 0.4, 2.5), slope))
        offset = float(b[kept].mean() - gain * a[kept].mean())
        error = np.abs(b - gain * a - offset)
        kept = error <= np.quantile(error, 2 / 3)
    return gain, offset


def _strongest(apart: NDArray[np.float32]) -> tuple[float, float] | None:
    smooth = blurred(apart, len(apart) / 32)
    row, column = np.unravel_index(int(smooth.argmax()), smooth.shape)
    if smooth[row, column] < _NOTICED:
        return None
    return (float(column) + 0.5) / len(apart), (float(row) + 0.5) / len(apart)
