"""A linear probe on frozen features: to which of two domains does an image belong?

Logistic regression on features of real training images (Alain & Bengio 2016 probe networks so). It sees what sets the
domains apart in the features, whether that is what the eye looks for or not, and a ruin may lie on either side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instar.metrics.blocks import Samples, block, check_samples, mean, rows_of

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
        parts = [(block(x, rows) - self.mean) / self.scale @ self.weights + self.bias for rows in rows_of(x)]
        return np.concatenate(parts)

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
    check_samples(a, b)
    middle = (mean(a) + mean(b)) / 2
    scale = np.sqrt((_mean_square(a, middle) + _mean_square(b, middle)) / 2)
    # A feature that hardly varies is not scaled up; all together have length about 1.
    scale = np.maximum(scale, 1e-3 * max(float(scale.max()), 1e-12)) * np.sqrt(a.shape[1])
    x = np.concatenate([a, b])
    target = np.repeat([0.0, 1.0], [len(a), len(b)])
    share = np.repeat([0.5 / len(a), 0.5 / len(b)], [len(a), len(b)])
    if len(x) > x.shape[1]:
        found = _newton(lambda rows: (block(x, rows) - middle) / scale, target, share)
        return LinearProbe(middle, scale, found[:-1], float(found[-1]))
    left, spread, basis = np.linalg.svd((x - middle) / scale, full_matrices=False)
    found = _newton(lambda rows: (left * spread)[rows], target, share)
    return LinearProbe(middle, scale, basis.T @ found[:-1], float(found[-1]))


def _mean_square(x: Samples, middle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean (D,) of (x - middle)² over x (N, D)."""
    total: NDArray[np.float64] = sum((np.square(block(x, rows) - middle).sum(0) for rows in rows_of(x)), np.zeros(1))
    return total / len(x)


def _newton(
    block_of: Callable[[slice], NDArray[np.float64]], y: NDArray[np.float64], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Minimise Σ share · loss + λ |w|² / 2 over the weights (K + 1,) of N samples, the last of which is free.

    Args:
        block_of: returns the samples (n, K) of a block of rows.
        y: what each is, 0 or 1 (N,).
        share: how much the loss of each counts (N,).
    """
    weights = np.zeros(block_of(slice(0, 1)).shape[1] + 1)
    penalty = np.full(len(weights), _PENALTY)
    penalty[-1] = 1e-9
    for _ in range(_STEPS):
        slope, curvature = penalty * weights, np.diag(penalty)
        for rows in rows_of(y):
            x = np.column_stack([part := block_of(rows), np.ones(len(part))])
            odds = 1 / (1 + np.exp(-np.clip(x @ weights, -60, 60)))
            slope += x.T @ (share[rows] * (odds - y[rows]))
            curvature += (x.T * (share[rows] * odds * (1 - odds))) @ x
        step = np.linalg.solve(curvature, slope)
        weights -= step
        if np.abs(step).max() < _DONE:
            break
    return weights
