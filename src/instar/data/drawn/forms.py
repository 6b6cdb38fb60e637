"""How near a picture is to one of the forms in which a change may come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instar.data.drawn.canvas import blurred
from instar.data.drawn.kinds import Scene
from instar.data.drawn.places import shifts
from instar.data.drawn.setting import Pixels

Colours = NDArray[np.float32]
_FINE, _COARSE = 1.6, 5.0
"""Detail that is compared, in pixels of a picture of 64: noise is finer, and a tint of the whole thing is coarser."""
_TRIED = 6
"""Forms, the nearest ones, that are compared at all shifts."""
_ASIDE = 0.5
"""How far off the way from the input to a form a picture may be, by the length of the way, before it loses strength."""


class NearestForm:
    """Strength as the share of the way from the input x to the form b of the change that is nearest to a picture y.

    s = <y - x, b - x> / |b - x|², where x and b differ, after smoothing. It sinks, to 0 in the end, where y has left
    the way by more than half its length: |y - x - s (b - x)| > |b - x| / 2.
    """

    def __init__(self, picture: Colours, options: Sequence[Scene], draw: Callable[[Any, int], Pixels]) -> None:
        """Draw a picture (size, size, 3) with the change in all its forms."""
        size = len(picture)
        self._unit = size / 64
        self._step = max(1, size // 64)
        self._start = self._seen(picture)
        self.region = np.zeros((size, size), bool)
        self._steps: list[_Step] = []
        for option in options:
            drawn = draw(option, size).astype(np.float32)
            self.region |= np.abs(drawn - picture).max(2) > 2
            self._steps.append(_Step.between(self._start, self._seen(drawn)))
        # A form that happens to stand where the input is alike has a start: what counts is what comes on top.
        self._floor = self._nearest(self._start)

    def _seen(self, picture: Colours) -> Colours:
        """Return a picture without its finest detail and without what is much larger than parts of a face."""
        fine = blurred(picture, _FINE * self._unit)
        return fine - blurred(fine, _COARSE * self._unit)

    def strength(self, picture: Colours) -> float:
        """Return 0 for the input or anything as far from all forms, 1 for one of them."""
        found = self._nearest(self._seen(picture))
        return max(0.0, (found - self._floor) / max(1 - self._floor, 1e-6))

    def _nearest(self, smooth: Colours) -> float:
        nearest = sorted(self._steps, key=lambda step: step.left(smooth))[:_TRIED]
        moved = shifts(smooth, self._step, 2)
        step, view = min(((step, view) for step in nearest for view in moved), key=lambda pair: pair[0].left(pair[1]))
        return step.strength(view)


@dataclass(frozen=True)
class _Step:
    """The way from the input to one form of the change, on the pixels (N, 3) where they differ."""

    where: NDArray[np.bool_]
    start: Colours
    way: Colours
    length: float
    """Square of its length."""

    @classmethod
    def between(cls, start: Colours, target: Colours) -> _Step:
        """Return the way from one smoothed picture to another."""
        where = np.abs(target - start).max(2) > 2
        way = (target - start)[where]
        return cls(where, start[where], way, max(float(np.square(way).sum()), 1e-6))

    def left(self, picture: Colours) -> float:
        """Return how far a picture is from the end, by the length of the way, squared."""
        return float(np.square(picture[self.where] - self.start - self.way).sum()) / self.length

    def strength(self, picture: Colours) -> float:
        """Return how far a picture has come, less what it is aside."""
        gone = picture[self.where] - self.start
        share = float((gone * self.way).sum()) / self.length
        aside = np.sqrt(float(np.square(gone - share * self.way).sum()) / self.length)
        return float(np.clip(share, 0, 1) * np.clip((1 - aside) / (1 - _ASIDE), 0, 1))
