"""Contrastive losses over feature vectors."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as nnf

from instar.core.precision import full_precision

Negatives = Literal["internal", "external", "both"]
TAU = 0.07
"""Temperature of MoCo, CUT and TUNIT."""
MOMENTUM = 0.999
"""Of the average of a network that makes keys: each of its weights keeps this share at a step (MoCo)."""


def patch_nce(
    query: Tensor, key: Tensor, tau: float = TAU, negatives: Negatives = "internal", bank: Tensor | None = None
) -> Tensor:
    r"""PatchNCE: patch s of the output must pick patch s of the input out of other patches (CUT, section 3).

    \[ \ell_s = -\log \frac{\exp(q_s \cdot k_s / \tau)}{\exp(q_s \cdot k_s / \tau) + \sum_n \exp(q_s \cdot n / \tau)} \]

    Internal negatives are the other keys k_t of the same image, external ones the rows of `bank`.

    Args:
        query: (N, S, C) unit vectors of the output's patches; the only side that gets a gradient.
        key: (N, S, C) unit vectors of the input's patches at the same places.
        tau: temperature.
        negatives: which vectors compete with the positive one.
        bank: (K, C) unit vectors, needed unless `negatives` is internal.

    Returns:
        The mean over all patches, a scalar.
    """
    if negatives != "internal" and bank is None:
        raise ValueError("external negatives need a bank of vectors")
    # In float32 or better: divided by tau, the error of a product in bf16 would be as large as the loss.
    with torch.autocast(query.device.type, enabled=False):
        query, key = full_precision(query), full_precision(key.detach())
        n, s, _ = query.shape
        # The positive of patch s stands on the diagonal, so one matrix holds it and its internal negatives.
        logits = query @ key.transpose(1, 2)
        target = torch.arange(s, device=query.device).expand(n, s)
        if negatives == "external":
            logits = torch.diagonal(logits, dim1=1, dim2=2).unsqueeze(2)
            target = torch.zeros_like(target)
        if negatives != "internal" and bank is not None:
            logits = torch.cat([logits, query @ bank.detach().to(query).T], dim=2)
        return nnf.cross_entropy((logits / tau).flatten(0, 1), target.flatten())


def info_nce(query: Tensor, key: Tensor, queue: Tensor, tau: float = TAU) -> Tensor:
    r"""InfoNCE against a queue: a vector must pick its own key out of those of earlier images (He et al. 2020, eq. 1).

    \[ \ell_n = -\log \frac{\exp(q_n \cdot k_n / \tau)}
                           {\exp(q_n \cdot k_n / \tau) + \sum_j \exp(q_n \cdot Q_j / \tau)} \]

    Args:
        query: (N, C), the only side that gets a gradient.
        key: (N, C), the positive of each query.
        queue: (K, C), the negatives of all; none give 0.
        tau: temperature.

    Returns:
        The mean over the N queries, a scalar in float32 or better.
    """
    with torch.autocast(query.device.type, enabled=False):
        query, key = full_precision(query), full_precision(key.detach())
        positive = (query * key).sum(1, keepdim=True)
        logits = torch.cat([positive, query @ queue.detach().to(query).T], dim=1)
        target = torch.zeros(len(query), dtype=torch.int64, device=query.device)
        return nnf.cross_entropy(logits / tau, target)
