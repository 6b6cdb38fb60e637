"""Clustering by what two views of an image have in common."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as nnf

from instar.core.precision import full_precision

LEAST = 1e-10
"""Of the probabilities, before their logarithm is taken: that of the authors' code."""


def probabilities(logits: Tensor) -> Tensor:
    """Return the probabilities (..., N, K) of the clusters for logits (..., N, K), in float32 or better."""
    return full_precision(logits).softmax(-1)


def iic(p: Tensor, q: Tensor) -> Tensor:
    r"""Negative mutual information of the clusters of two views (Ji et al. 2019, eq. 3).

    \[ -\sum_{ij} P_{ij} \ln \frac{P_{ij}}{P_i P_j}, \quad P \propto \sum_n p_n q_n^\top + q_n p_n^\top \]

    It is least, \(-\ln K\), where both views are in the same one of K clusters of equal size, and 0 where one says
    nothing about the other, or all images are in one cluster.

    Args:
        p: probabilities (..., N, K) of the clusters for one view of each image.
        q: the same for the other view.

    Returns:
        (...), a scalar for one clustering, in float32 or better.
    """
    with torch.autocast(p.device.type, enabled=False):
        p, q = full_precision(p), full_precision(q)
        joint = p.mT @ q
        joint = (joint + joint.mT) / (2 * joint.sum((-2, -1), keepdim=True))
        rows = joint.sum(-1, keepdim=True).clamp(min=LEAST)  # P is symmetric: its columns have the same sums
        joint = joint.clamp(min=LEAST)
        return -(joint * (joint.log() - rows.log() - rows.mT.log())).sum((-2, -1))


def label_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy where a label is known: the mean over the labels that are not -1, 0 without any.

    Args:
        logits: (N, K).
        labels: (N,) int64, classes from 0, or -1.

    Returns:
        A scalar in float32 or better, which has a gradient (of 0) without any label too.
    """
    logits = full_precision(logits)
    total = nnf.cross_entropy(logits, labels, ignore_index=-1, reduction="sum")
    return total / (labels >= 0).sum().clamp(min=1)


def cluster_sizes(domain: Tensor, domains: int) -> Tensor:
    """Return how many images are in each domain, (domains,) int64, for the numbers (N,) of theirs."""
    return nnf.one_hot(domain, domains).sum(0)


def clusters_in_use(p: Tensor) -> Tensor:
    """Return over how many clusters a batch is spread, 1 to K: the exponential of the entropy of their shares.

    Args:
        p: probabilities (N, K) of the clusters for each image.
    """
    entropy: Tensor = torch.special.entr(p.mean(0)).sum()
    return entropy.exp()
