"""How much of a thing is there in a paint that counts: the change of a colour, and things that are added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instar.data.drawn.canvas import blurred
from instar.data.drawn.kinds import Painted
from instar.data.drawn.places import grown, shifts
from instar.data.drawn.setting import Pixels

Colours = NDArray[np.float32]
_LOW, _HIGH = 40.0, 200.0
"""Two shades of paint between which pictures are linear: neither black nor at the camera's white."""
_RADIUS = 1.6
"""Of the smoothing, in pixels of a picture of 64."""
_GAP, _REACH = 3, 8
"""Where a thing's surroundings begin and how far they go, in pixels of a picture of 64."""
_SPILT = 1.5
"""Weight of paint beside the thing against paint on it: much that stands beside it hardly takes any."""


class Paint:
    """Strength as the share of the way, pixel by pixel, from the input's colours to a paint that counts.

    Light and shadow are divided out: a picture is linear in the paint of a thing, so two drawings of the scene tell
    which paint each of its pixels would need to look as it does. What comes as near to the paint around the thing is
    taken off: a face that is blue all over has no mask.
    """

    def __init__(self, picture: Colours, options: Sequence[Painted], draw: Callable[[Any, int], Pixels]) -> None:
        """Draw a picture (size, size, 3) with the thing in all its forms, dark and light."""
        size = len(picture)
        self._radius, self._step = _RADIUS * size / 64, max(1, size // 64)
        self._forms = [_Form(blurred(picture, self._radius), option, draw, self._radius) for option in options]
        drawn = [form.region for form in self._forms]
        self.region: NDArray[np.bool_] = np.logical_or.reduce(drawn)
        # Moved by a pixel, an input may come a little nearer to the paint: what counts is what comes on top.
        self._floor = self._found(picture)

    def strength(self, picture: Colours) -> float:
        """Return 0 for the input, 1 for one of the forms in one of its paints."""
        return max(0.0, (self._found(picture) - self._floor) / max(1 - self._floor, 1e-6))

    def _found(self, picture: Colours) -> float:
        views = shifts(blurred(picture, self._radius), self._step, 1)
        return max(0.0, *(form.strength(view) for form in self._forms for view in views))


class _Form:
    """One form of the thing."""

    def __init__(self, start: Colours, option: Painted, draw: Callable[[Any, int], Pixels], radius: float) -> None:
        size = len(start)
        low, high = (draw(option.scene([shade] * 3), size).astype(np.float32) for shade in (_LOW, _HIGH))
        self.region: NDArray[np.bool_] = np.abs(high - low).max(2) > 2
        low, high = blurred(low, radius), blurred(high, radius)
        per_level = (high - low) / np.float32(_HIGH - _LOW)
        self._inside = per_level.min(2) > 0.4 * per_level.max()
        self._low, self._per_level = low[self._inside], per_level[self._inside]
        around = grown(self.region, (_GAP + _REACH) * size // 64) & ~grown(self.region, _GAP * size // 64)
        self._around = around
        self._paints, self._spread = np.array(option.colours, np.float32), option.spread
        self._start = self._short(self._needed(start[self._inside]))
        # Around it there is no paint to tell the shade: that of the thing itself, on the whole, must do.
        self._usual = self._low.mean(0), self._per_level.mean(0)
        self._start_around = self._short(self._needed(start[around], *self._usual))

    def strength(self, picture: Colours) -> float:
        """Return the share of the way that a smoothed picture has gone on the thing, less that beside it."""
        gone = self._start - self._short(self._needed(picture[self._inside]))
        spilt = self._start_around - self._short(self._needed(picture[self._around], *self._usual))
        share = gone.sum(0) / self._start.sum(0).clip(1e-6)
        spill = spilt.clip(0).sum(0) / self._start_around.sum(0).clip(1e-6)
        return float((share.clip(0, 1) - _SPILT * spill).max())

    def _needed(self, seen: Colours, low: Colours | None = None, per_level: Colours | None = None) -> Colours:
        """Return the paints (N, 3) with which pixels (N, 3) would look as they do."""
        low, per_level = self._low if low is None else low, self._per_level if per_level is None else per_level
        needed: Colours = np.float32(_LOW) + (seen - low) / per_level
        return needed

    def _short(self, needed: Colours) -> NDArray[np.float32]:
        """Return how far paints (N, 3) are from each of K that count, and from the nearest one: (N, K + 1).

        A thing in half of a paint may be as near to another one as it was before, and a thing may be of two paints.
        """
        apart = np.linalg.norm(needed[:, None] - self._paints, axis=2)
        every = np.concatenate([apart, apart.min(1, keepdims=True)], axis=1)
        short: NDArray[np.float32] = np.maximum(every - self._spread, 0).astype(np.float32)
        return short
