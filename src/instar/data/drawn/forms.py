"""How near a picture is to one of the forms in which a change may come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .canvas import blurred
from .kinds import Painted, Scene
from .setting import Pixels

Colours = NDArray[np.float32]
_LOW, _HIGH = 40.0, 200.0
"""Two shades of paint between which pictures are linear: neither black nor at the camera's white."""
_FINE, _COARSE = 1.6, 5.0
"""Detail that is compared, in pixels of a picture of 64: noise is finer, and a tint of the whole thing is coarser."""
_TRIED = 6
"""Forms, the nearest ones, that are compared at all shifts."""
_ASIDE = 0.5
"""How far off the way from the input to a form a picture may be, by the length of the way, before it loses strength."""


@dataclass(frozen=True)
class _Form:
    """A form of the change, smoothed: `plain`, or with paint of a colour between two shades."""

    plain: Colours
    per_level: Colours | None = None
    """What one grey level more of the paint adds to each pixel."""
    lows: Colours | None = None
    highs: Colours | None = None
    """(K, 3), ranges of paints that count."""

    def nearest_to(self, picture: Colours) -> list[Colours]:
        """Return the pictures of this form, in the paints that come nearest to a picture."""
        if self.per_level is None or self.lows is None or self.highs is None:
            return [self.plain]
        error = ((picture - self.plain) * self.per_level).sum((0, 1)) / np.square(self.per_level).sum((0, 1))
        return [self.plain + (paint - _LOW) * self.per_level for paint in (_LOW + error).clip(self.lows, self.highs)]


class NearestForm:
    """Strength as the share of the way from the input x to the form b of the change that is nearest to a picture y.

    s = <y - x, b - x> / |b - x|², where x and b differ, after smoothing. It sinks, to 0 in the end, where y has left
    the way by more than half its length: |y - x - s (b - x)| > |b - x| / 2.
    """

    def __init__(
        self, picture: Colours, options: Sequence[Scene | Painted], draw: Callable[[Any, int], Pixels]
    ) -> None:
        """Draw a picture (size, size, 3) with the change in all its forms."""
        size = len(picture)
        self._unit = size / 64
        self._step = max(1, size // 64)
        self._start = self._seen(picture)
        self.region = np.zeros((size, size), bool)
        self._forms: list[_Form] = []
        for option in options:
            scenes = [option.scene([shade] * 3) for shade in (_LOW, _HIGH)] if isinstance(option, Painted) else [option]
            drawn = [draw(scene, size).astype(np.float32) for scene in scenes]
            for other in drawn:
                self.region |= np.abs(other - picture).max(2) > 2
            self._forms.append(self._form(option, [self._seen(one) for one in drawn]))
        # A form that happens to stand where the input is alike has a start: what counts is what comes on top.
        self._floor = self._nearest(self._start)

    def _form(self, option: Scene | Painted, drawn: Sequence[Colours]) -> _Form:
        if not isinstance(option, Painted):
            return _Form(drawn[0])
        paints = np.array(option.colours, np.float32)
        per_level = (drawn[1] - drawn[0]) / np.float32(_HIGH - _LOW)
        return _Form(drawn[0], per_level, paints - option.spread, paints + option.spread)

    def _seen(self, picture: Colours) -> Colours:
        """Return a picture without its finest detail and without what is much larger than parts of a face."""
        fine = blurred(picture, _FINE * self._unit)
        return fine - blurred(fine, _COARSE * self._unit)

    def strength(self, picture: Colours) -> float:
        """Return 0 for the input or anything as far from all forms, 1 for one of them."""
        found = self._nearest(self._seen(picture))
        return max(0.0, (found - self._floor) / max(1 - self._floor, 1e-6))

    def _nearest(self, smooth: Colours) -> float:
        targets = [target for form in self._forms for target in form.nearest_to(smooth)]
        steps = [_Step.between(self._start, target) for target in targets]
        nearest = sorted(steps, key=lambda step: step.left(smooth))[:_TRIED]
        moved = _shifts(smooth, self._step)
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


def _shifts(picture: Colours, step: int) -> list[Colours]:
    """Return a picture moved by 0, 1 or 2 steps of pixels to all sides; its edges go on."""
    reach = 2 * step
    padded = np.pad(picture, [(reach, reach), (reach, reach), (0, 0)], mode="edge")
    height, width = picture.shape[:2]
    places = range(0, 2 * reach + 1, step)
    return [padded[y : y + height, x : x + width] for y in places for x in places]
