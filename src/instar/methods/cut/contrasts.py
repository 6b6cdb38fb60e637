"""Contrasts that came after PatchNCE: weighted negatives, hard negatives, and relations that stay."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as nnf

from instar.core.precision import full_precision
from instar.losses.contrastive import TAU

ROUNDS = 50
"""Of Sinkhorn's algorithm, as in MoNCE's code."""


def modulated_nce(query: Tensor, key: Tensor, epsilon: float, tau: float = TAU) -> Tensor:
    r"""MoNCE: PatchNCE whose negatives are weighted, the more alike the more (Zhan et al. 2022).

    \[ \ell_s = -\log \frac{\exp(q_s \cdot k_s / \tau)}
                           {\exp(q_s \cdot k_s / \tau) + (S - 1) \sum_{t \neq s} w_{st} \exp(q_s \cdot k_t / \tau)} \]

    The weights of all patches are one plan of optimal transport, so that no negative is pushed by all of them.

    Args:
        query: (N, S, C) unit vectors of the output's patches, S at least 2; the only side that gets a gradient.
        key: (N, S, C) unit vectors of the input's patches at the same places.
        epsilon: weight of the plan's entropy: of a small one each patch pushes away the most alike alone.
        tau: temperature.

    Returns:
        The mean over all patches, a scalar in float32 or better.
    """
    with torch.autocast(query.device.type, enabled=False):
        query, key = full_precision(query), full_precision(key.detach())
        n, s, _ = query.shape
        alike, own = query @ key.transpose(1, 2), _own(query)
        weights = transport(alike.masked_fill(own, -math.inf) / epsilon) + math.log(s - 1)
        logits = alike / tau + weights.masked_fill(own, 0.0)
        target = torch.arange(s, device=query.device).expand(n, s)
        return nnf.cross_entropy(logits.flatten(0, 1), target.flatten())


def transport(scores: Tensor) -> Tensor:
    """Return the logarithm of the plan that Sinkhorn's algorithm makes of scores: its rows and columns sum to 1.

    Args:
        scores: (N, S, S); -inf where nothing is moved, though not in all of a row or column.
    """
    for _ in range(ROUNDS):
        scores = scores - scores.logsumexp(2, keepdim=True)
        scores = scores - scores.logsumexp(1, keepdim=True)
    return scores


def hard_nce(query: Tensor, key: Tensor, gamma: float, tau: float = TAU) -> Tensor:
    r"""hDCE: the positive against hard negatives, and not against itself (Jung et al. 2022).

    \[ \ell_s = \log \Big( (S - 1) \sum_{t \neq s} w_{st} \exp(q_s \cdot k_t / \tau) \Big) - q_s \cdot k_s / \tau,
       \qquad w_{st} \propto \exp(k_s \cdot k_t / \gamma), \quad \sum_t w_{st} = 1 \]

    Args:
        query: (N, S, C) unit vectors of the output's patches, S at least 2; the only side that gets a gradient.
        key: (N, S, C) unit vectors of the input's patches at the same places.
        gamma: temperature of the weights: of a small one the patch most alike in the input is the only negative.
        tau: temperature.

    Returns:
        The mean over all patches, a scalar in float32 or better. It may be negative.
    """
    with torch.autocast(query.device.type, enabled=False):
        query, key = full_precision(query), full_precision(key.detach())
        own = _own(query)
        weights = (key @ key.transpose(1, 2) / gamma).masked_fill(own, -math.inf).log_softmax(2)
        logits = query @ key.transpose(1, 2) / tau
        negatives = (logits + weights).logsumexp(2) + math.log(query.shape[1] - 1)
        return (negatives - torch.diagonal(logits, dim1=1, dim2=2)).mean()


def relation_consistency(query: Tensor, key: Tensor) -> Tensor:
    r"""SRC: how alike the patches of an image are should stay as it was (Jung et al. 2022).

    The divergence of Jensen and Shannon between softmax over t of \(k_s \cdot k_t\) and of \(q_s \cdot q_t\).

    Args:
        query: (N, S, C) unit vectors of the output's patches; the only side that gets a gradient.
        key: (N, S, C) unit vectors of the input's patches at the same places.

    Returns:
        The sum over the patches of an image, mean over the images, a scalar in float32 or better.
    """
    with torch.autocast(query.device.type, enabled=False):
        query, key = full_precision(query), full_precision(key.detach())
        after, before = ((x @ x.transpose(1, 2)).log_softmax(2) for x in (query, key))
        middle = torch.logaddexp(after, before) - math.log(2)
        divergence = 0.5 * (after.exp() * (after - middle) + before.exp() * (before - middle))
        return divergence.sum((1, 2)).mean()


def _own(x: Tensor) -> Tensor:
    """Return where a patch meets itself: (S, S) for patches (N, S, C)."""
    return torch.eye(x.shape[1], dtype=torch.bool, device=x.device)
