"""Do translations look real? How far each is from the nearest real image of the target, by how far real ones are.

It finds ruins that a probe takes for the target, and copies, which are as far as the other domain is. It does not see a
model that gives the same real-looking image for every input: see `instar.metrics.coverage`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from instar.metrics.blocks import Samples, check_samples
from instar.metrics.distances import nearest_distances


def realism_ratios(x: Samples, training: Samples, real: Samples | None = None) -> NDArray[np.float64]:
    """Return the distance of each image to the nearest real one, by what is usual between real ones; 1 is as real (N,).

    Args:
        x: features (N, D) of translations, or of the inputs, to know what a copy scores.
        training: features (M, D) of real images of the target, among which the nearest is looked for, M >= 2.
        real: features (K, D) of other real images of the target, whose median distance to the nearest of `training`
            is 1; without them each of `training` is compared with all others.

    Raises:
        ValueError: the features are not finite or of different lengths, or `training` has fewer than two.
    """
    check_samples(x, training)
    if real is None:
        between = nearest_distances(training, training, others=True)
    else:
        check_samples(real, training)
        between = nearest_distances(real, training)
    usual = float(np.median(between))
    if not usual > 0:
        raise ValueError("the real images are all alike: nothing says how far apart they usually are")
    found: NDArray[np.float64] = nearest_distances(x, training) / usual
    return found
