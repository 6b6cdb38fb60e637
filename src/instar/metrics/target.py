"""Is the target there, and does it look real? Two questions to the features of each translation.

A linear probe, fitted on real training images, says whether an image is of the target domain; the distance to the
nearest real image of the target, by what is usual between real ones, says whether it looks like one. Each is fooled
alone: the probe by ruins, which lie on either side of its plane, the distance by inputs that resemble the target.

All limits are taken from real images; none is tuned on translations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instar.metrics.blocks import Samples
from instar.metrics.probe import LinearProbe, fit_probe
from instar.metrics.realism import realism_ratios

_REAL = 0.99
"""An image looks real if it is no farther from real ones than this share of real images are, or half as far beyond what
is usual between those as most inputs are."""
_FAR = 0.95
"""A ruin is farther from real ones than this share of the inputs, which are of another domain."""


class TargetReadings(NamedTuple):
    """What the features say of each of N images."""

    probe: NDArray[np.bool_]
    """(N,), whether the probe takes it for the target."""
    target: NDArray[np.bool_]
    """(N,), whether it also is near enough to real images of the target to look real."""
    ruin: NDArray[np.bool_]
    """(N,), whether it is farther from them than nearly all inputs are."""
    realism: NDArray[np.float64]
    """(N,), its distance to the nearest of them, by what is usual between real ones; 1 is as real, larger is worse."""


@dataclass(frozen=True)
class TargetDetector:
    """What real images say about how to recognise the target."""

    probe: LinearProbe
    training: Samples
    """Features (M, D) of training images of the target."""
    real: Samples
    """Features (L, D) of test images of the target."""
    farthest_real: float
    """Realism up to which an image looks real."""
    farthest_input: float
    """Realism from which it is a ruin."""

    @classmethod
    def fit(cls, source: Samples, target: Samples, inputs: Samples, real: Samples) -> TargetDetector:
        """Fit the probe on features of training images, and take the limits from test images, of both domains.

        Args:
            source: (N, D), training images of the source.
            target: (M, D), training images of the target.
            inputs: (K, D), test images of the source, those that are translated or others.
            real: (L, D), test images of the target.

        Raises:
            ValueError: the features are not finite or of different lengths, there are fewer than two of a kind, or all
                real images are alike.
        """
        of_real, of_inputs = (realism_ratios(x, target, real) for x in (real, inputs))
        farthest_input = float(np.quantile(of_inputs, _FAR))
        # Where real images are nearly alike, a translation that is a little softer is farther from them than any of
        # themselves: there it looks real if it has come half of the way from the inputs to what is usual, which is 1.
        half_way = (1 + float(np.median(of_inputs))) / 2
        farthest_real = max(float(np.quantile(of_real, _REAL)), half_way)
        # Where the domains resemble each other the inputs are no farther than real images: these are no ruins.
        return cls(fit_probe(source, target), target, real, farthest_real, max(farthest_real, farthest_input))

    def read(self, x: Samples) -> TargetReadings:
        """Look at the features (N, D) of translations, N >= 2; of the inputs, as a floor; of `real`, as a ceiling.

        Raises:
            ValueError: the features are not finite, of another length, or fewer than two.
        """
        realism = realism_ratios(x, self.training, self.real)
        taken = self.probe.logits(x) > 0
        return TargetReadings(taken, taken & (realism <= self.farthest_real), realism > self.farthest_input, realism)
