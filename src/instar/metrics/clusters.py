"""How well clusters agree with classes that the clustering has not seen.

All scores take numbers of clusters and of classes, two tensors (N,) of integers from 0, and do not depend on which
cluster has which number. Images without a class are to be left out before.
"""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import torch
from torch import Tensor

from instar.core.errors import UserError


class Agreement(NamedTuple):
    """All scores of one clustering."""

    accuracy: float
    """`matched_accuracy`."""
    purity: float
    """`purity`."""
    nmi: float
    """`nmi`."""
    ari: float
    """`ari`."""


def agreement(clusters: Tensor, classes: Tensor) -> Agreement:
    """Return all scores."""
    return Agreement(
        matched_accuracy(clusters, classes), purity(clusters, classes), nmi(clusters, classes), ari(clusters, classes)
    )


def contingency(clusters: Tensor, classes: Tensor) -> Tensor:
    """Return how many images are in cluster i and of class j, (K, C) int64.

    Raises:
        ValueError: there are no images, or not a class for each.
    """
    if clusters.shape != classes.shape or clusters.ndim != 1 or not len(clusters):
        raise ValueError(f"clusters and classes must be (N,) alike, got {clusters.shape} and {classes.shape}")
    if min(int(clusters.min()), int(classes.min())) < 0:
        raise ValueError("clusters and classes are numbers from 0; leave out images without a class")
    k, c = int(clusters.max()) + 1, int(classes.max()) + 1
    return torch.bincount(clusters.long() * c + classes.long(), minlength=k * c).view(k, c)


def match(clusters: Tensor, classes: Tensor) -> dict[int, int]:
    """Return the class of each cluster under the best one-to-one assignment (Kuhn 1955, "Hungarian").

    With more clusters than classes some have none. Needs scipy.
    """
    rows, columns = _assignment()(contingency(clusters, classes).cpu().numpy(), maximize=True)
    return {int(i): int(j) for i, j in zip(rows, columns, strict=True)}


def matched_accuracy(clusters: Tensor, classes: Tensor) -> float:
    """Return the share of images whose cluster's class by `match` is their own, 0..1. Needs scipy."""
    table = contingency(clusters, classes)
    return sum(int(table[i, j]) for i, j in match(clusters, classes).items()) / len(clusters)


def purity(clusters: Tensor, classes: Tensor) -> float:
    """Return the share of images of the largest class of their cluster, 0..1.

    Each cluster counts for its largest class, so several may have the same one: for more clusters than classes.
    """
    return contingency(clusters, classes).amax(1).sum().item() / len(clusters)


def nmi(clusters: Tensor, classes: Tensor) -> float:
    r"""Return the normalised mutual information, 0..1: \(I(U, V) / \frac12 (H(U) + H(V))\).

    1 where clusters are classes, 0 where they say nothing about each other. It is 1 where there is one of both.
    """
    joint = contingency(clusters, classes).double() / len(clusters)
    rows, columns = (_entropy(joint.sum(axis)) for axis in (1, 0))
    if not rows and not columns:
        return 1.0
    information = rows + columns - _entropy(joint.flatten())
    return max(0.0, information / (0.5 * (rows + columns)))


def ari(clusters: Tensor, classes: Tensor) -> float:
    """Return the Rand index adjusted for chance (Hubert and Arabie 1985): 1 for the classes, about 0 for chance."""
    table = contingency(clusters, classes).double()
    together, rows, columns = (_pairs(counts) for counts in (table, table.sum(1), table.sum(0)))
    everything = _pairs(table.sum())
    expected = rows * columns / everything if everything else 0.0
    largest = 0.5 * (rows + columns)
    return 1.0 if largest == expected else (together - expected) / (largest - expected)


def _entropy(p: Tensor) -> float:
    return float(torch.special.entr(p).sum())


def _pairs(counts: Tensor) -> float:
    return float((counts * (counts - 1) / 2).sum())


def _assignment() -> Any:
    try:
        return importlib.import_module("scipy.optimize").linear_sum_assignment
    except ImportError as error:
        raise UserError("matching clusters to classes needs scipy: pip install scipy") from error
