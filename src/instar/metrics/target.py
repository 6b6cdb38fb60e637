"""Is the target there, and does it look real? Two questions to the features of each translation.

A linear probe, fitted on real training images, says whether an image is of the target domain; the distance to the
nearest real image of the target, by what is usual between real ones, says whether it looks like one. Each is fooled
alone: the probe by ruins, which lie on either side of its plane, the distance by copies of inputs that resemble the
target. Together they rank methods as the eye does better than a distance between sets such as KID (`docs/judge.md`).

All limits are taken from real images; none is tuned on translations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instar.metrics.frechet import Samples
from instar.metrics.interval import Bounds, mean_interval
from instar.metrics.probe import LinearProbe, fit_probe
from instar.metrics.realism import realism_ratios

_REAL = 0.99
"""An image looks real if it is no farther from real ones than this share of real images are."""
_FAR = 0.95
"""An image is farther than another domain if it is farther than this share of the inputs."""
_FEW = 4
"""Images that an interval needs."""


class Share(NamedTuple):
    """A share of images, 0..1."""

    value: float
    interval: Bounds | None
    """95 %, over the choice of images; None for fewer than four."""


class TargetScores(NamedTuple):
    """What the features say of translations."""

    target: Share
    """Taken for the target by the probe, and looking as real as real images."""
    taken: Share
    """Taken for the target by the probe, however they look."""
    far: Share
    """Farther from the real images of the target than nearly all inputs are: ruins."""
    realism: float
    """Median distance to the nearest real image, by what is usual between real ones; 1 is as real."""
    floor: float
    """`taken` of the inputs: what copying them scores."""
    ceiling: float
    """`taken` of real test images of the target."""
    inputs_realism: float
    """`realism` of the inputs."""

    @property
    def told_apart(self) -> float:
        """How well the probe tells real images of the two domains apart, 0 (not at all) to 1."""
        return max(self.ceiling - self.floor, 0.0)


@dataclass(frozen=True)
class TargetDetector:
    """What real images say about how to recognise the target."""

    probe: LinearProbe
    training: Samples
    """Features (M, D) of real training images of the target."""
    inputs: Samples
    """Features (K, D) of test images of the source."""
    real: Samples
    """Features (L, D) of test images of the target."""

    @classmethod
    def fit(cls, source: Samples, target: Samples, inputs: Samples, real: Samples) -> TargetDetector:
        """Fit the probe on features of training images of both domains.

        Args:
            source: (N, D), training images of the source.
            target: (M, D), training images of the target.
            inputs: (K, D), test images of the source, those that are translated or others.
            real: (L, D), test images of the target.

        Raises:
            ValueError: the features are not finite or of different lengths, or there are fewer than two of a kind.
        """
        return cls(fit_probe(source, target), target, inputs, real)

    def ratios(self, x: Samples) -> NDArray[np.float64]:
        """Return how far images are from the nearest real one; 1 is as usual between real ones (N,)."""
        return realism_ratios(x, self.training, self.real)

    def scores(self, translations: Samples) -> TargetScores:
        """Score the features (N, D) of translations, N >= 2.

        Raises:
            ValueError: the features are not finite, of another length, or fewer than two.
        """
        ratios, of_inputs = self.ratios(translations), self.ratios(self.inputs)
        taken = self.probe.logits(translations) > 0
        real = ratios <= np.quantile(self.ratios(self.real), _REAL)
        return TargetScores(
            target=_share(taken & real),
            taken=_share(taken),
            far=_share(ratios > np.quantile(of_inputs, _FAR)),
            realism=float(np.median(ratios)),
            floor=self.probe.share(self.inputs),
            ceiling=self.probe.share(self.real),
            inputs_realism=float(np.median(of_inputs)),
        )


def _share(found: NDArray[np.bool_]) -> Share:
    values = found.astype(np.float64)
    return Share(float(values.mean()), mean_interval(values) if len(values) >= _FEW else None)
