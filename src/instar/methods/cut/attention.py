"""Queries that attention selects: the places of an image that are least like the rest of it."""

from __future__ import annotations

import torch
from torch import Tensor

from instar.core.precision import full_precision

ATTENDED = ("block", "middle")
"""How the names of the layers begin in which queries are selected: attention over all places of others is too large."""


def select(feature: Tensor, count: int) -> Tensor:
    r"""Return the rows of least entropy of the attention of an image on itself (Hu et al. 2022).

    The attention of place p on the others is the softmax over r of \(f_p \cdot f_r\).

    Args:
        feature: (N, C, H, W).
        count: of the rows.

    Returns:
        (N, min(count, H * W), H * W) weights that sum to 1, without gradient, those of the least entropy first.
    """
    with torch.autocast(feature.device.type, enabled=False):
        places = full_precision(feature.detach()).flatten(2)
        attention = (places.transpose(1, 2) @ places).softmax(2)
        entropy = torch.special.entr(attention).sum(2)
        chosen = entropy.argsort(dim=1, stable=True)[:, :count]
        return attention.gather(1, chosen[:, :, None].expand(-1, -1, attention.shape[2]))
