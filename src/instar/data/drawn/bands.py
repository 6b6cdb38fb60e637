"""How much a coat is covered by upright bands: the change of a texture, wherever its bands may stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from instar.core.raster import LUMA
from instar.data.drawn.canvas import blurred
from instar.data.drawn.herd import Beast, Stripes, body_places
from instar.data.drawn.setting import Pixels

Colours = NDArray[np.float32]
_LOW, _HIGH = 40.0, 200.0
_PARTS = (-0.24, 0.0, 0.24)
"""Middles of the parts of a body that must all have bands, in its lengths; they overlap."""
_REACH = 0.19
"""Half of a part: longer than from band to band."""
_FULL = 0.9
"""Contrast, by that of true bands, that is strength 1: a slight blur takes the rest."""
_DARK = (34.0, 28.0, 28.0)


class Bands:
    """Strength as the contrast of a coat's light and dark parts, by that of true bands, if they stand upright.

    Light and shadow of the body are divided out: the picture of a coat is linear in the coat's brightness, so two
    drawings of the scene tell which brightness each pixel's coat has.
    """

    def __init__(self, beast: Beast, draw: Callable[[Beast, int], Pixels], size: int) -> None:
        """Draw the scene with dark, light and striped coats."""
        self._radius = 0.8 * size / 64
        low, high = (_light(draw(replace(beast, coat=(shade,) * 3), size)) for shade in (_LOW, _HIGH))
        self._dark = blurred(low, self._radius)
        self._per_level = (blurred(high, self._radius) - self._dark) / np.float32(_HIGH - _LOW)
        striped = [
            draw(replace(beast, stripes=Stripes(period, phase, _DARK)), size).astype(np.float32)
            for period in (0.27, 0.305, 0.34)
            for phase in (0.0, 0.25, 0.5, 0.75)
        ]
        self.region = np.maximum.reduce([np.abs(one - striped[0]).max(2) for one in striped]) > 2
        self.region |= np.abs(high - low) > 2
        along, down = body_places(beast, size)
        solid = self._per_level > 0.5 * self._per_level.max()
        self._solid = solid.astype(np.float32)
        self._slow = 0.22 * beast.length * size
        body = solid & (np.abs(down) < 0.36 * beast.thick)
        self._parts = [body & (np.abs(along - middle) < _REACH) for middle in _PARTS]
        seen = [self._seen(one) for one in striped]
        self._contrasts = np.mean([contrasts for contrasts, _ in seen], axis=0)
        self._upright = float(np.mean([upright for _, upright in seen]))

    def strength(self, picture: Colours) -> float:
        """Return 0 for a plain coat or bands that lie, 1 for the contrast of true bands on the whole body."""
        contrasts, upright = self._seen(picture)
        standing = np.clip(upright / (0.5 * self._upright), 0, 1)
        return float((contrasts / (_FULL * self._contrasts)).clip(0, 1).mean() * standing)

    def _seen(self, picture: Colours) -> tuple[NDArray[np.float64], float]:
        """Return the contrast of each part of the body, in levels of the coat, and how upright its edges are, -1..1."""
        coat = (blurred(_light(picture), self._radius) - self._dark) / np.maximum(self._per_level, 0.05)
        # Less what is slow: shadows that are not where the scene's light puts them are no bands.
        coat -= blurred(coat * self._solid, self._slow) / np.maximum(blurred(self._solid, self._slow), 0.05)
        contrasts = [np.subtract(*np.percentile(coat[part], (85, 15))) for part in self._parts]
        down, right = np.gradient(coat)
        body = np.logical_or.reduce(self._parts)
        across, upwards = (float(np.square(slope[body]).sum()) for slope in (right, down))
        return np.array(contrasts), (across - upwards) / max(across + upwards, 1e-6)


def _light(picture: NDArray[np.uint8] | Colours) -> Colours:
    luminance: Colours = (picture.astype(np.float32) @ np.array(LUMA, np.float32)).astype(np.float32)
    return luminance
