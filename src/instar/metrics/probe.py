"""A linear probe on frozen features: to which of two domains does an image belong?

Logistic regression on features of real training images (Alain & Bengio 2016 probe networks so). It sees what sets the
domains apart in the features, whether that is what the eye looks for or not, and a ruin may lie on either side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instar.metrics.frechet import Samples, check_samples

_PENALTY = 0.01
"""λ of mean loss + λ |w|² / 2, for features of length about 1."""
_STEPS = 50
_DONE = 1e-8


@dataclass(frozen=True)
class LinearProbe:
    """A plane between the features of two domains."""

    mean: NDArray[np.float64]
    """(D,), of all training features, each domain counting alike."""
    scale: NDArray[np.float64]
    """(D,)."""
    weights: NDArray[np.float64]
    """(D,)."""
    bias: float

    def logits(self, x: Samples) -> NDArray[np.float64]:
        """Return the logarithm of the odds (N,) that features (N, D) are of the second domain; above 0 they are."""
        found: NDArray[np.float64] = (np.asarray(x, np.float64) - self.mean) / self.scale @ self.weights + self.bias
        return found

    def share(self, x: Samples) -> float:
        """Return the share of features (N, D) that are of the second domain, 0..1."""
        return float((self.logits(x) > 0).mean())


def fit_probe(a: Samples, b: Samples) -> LinearProbe:
    """Return the probe between features a (N, D) and b (M, D) of real training images, N, M >= 2.

    Logistic regression by Newton's method on standardised features, in the space that the samples span; each domain
    counts alike, however many images it has.

    Raises:
        ValueError: the features are not finite or of different lengths, or a side has fewer than two.
    """
    a, b = check_samples(a, b)
    mean = (a.mean(0) + b.mean(0)) / 2
    scale = np.sqrt((np.square(a - mean).mean(0) + np.square(b - mean).mean(0)) / 2)
    # A feature that hardly varies is not scaled up; all together have length about 1.
    scale = np.maximum(scale, 1e-3 * max(float(scale.max()), 1e-12)) * np.sqrt(a.shape[1])
    x = (np.concatenate([a, b]) - mean) / scale
    left, spread, basis = np.linalg.svd(x, full_matrices=False)
    target = np.repeat([0.0, 1.0], [len(a), len(b)])
    share = np.repeat([0.5 / len(a), 0.5 / len(b)], [len(a), len(b)])
    found = _newton(np.column_stack([left * spread, np.ones(len(x))]), target, share)
    return LinearProbe(mean, scale, basis.T @ found[:-1], float(found[-1]))


def _newton(x: NDArray[np.float64], y: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minimise Σ share · loss + λ |w|² / 2; the last column of x (N, K) is of ones, and its weight is free."""
    penalty = np.full(x.shape[1], _PENALTY)
    penalty[-1] = 1e-9
    weights = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        odds = 1 / (1 + np.exp(-np.clip(x @ weights, -60, 60)))
        slope = x.T @ (share * (odds - y)) + penalty * weights
        curvature = (x.T * (share * odds * (1 - odds))) @ x + np.diag(penalty)
        step = np.linalg.solve(curvature, slope)
        weights -= step
        if np.abs(step).max() < _DONE:
            break
    return weights
