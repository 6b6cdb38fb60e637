"""Do translations look real? How far each is from the nearest real image of the target, by how far real ones are.

It finds ruins that a probe takes for the target, and copies, which are as far as the other domain is. It does not see a
model that gives the same real-looking image for every input: see `instar.metrics.coverage`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from instar.metrics.distances import square_distances
from instar.metrics.frechet import Samples, check_samples


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
    x, training = check_samples(x, training)
    if real is None:
        between = square_distances(training, training)
        np.fill_diagonal(between, np.inf)
    else:
        between = square_distances(check_samples(real, training)[0], training)
    usual = float(np.median(np.sqrt(between.min(1))))
    if not usual > 0:
        raise ValueError("the real images are all alike: nothing says how far apart they usually are")
    found: NDArray[np.float64] = np.sqrt(square_distances(x, training).min(1)) / usual
    return found
