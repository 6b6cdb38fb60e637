"""Losses of methods that name the classes of digits."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from instar.core.precision import full_precision


def squares(x: Tensor, y: Tensor) -> Tensor:
    """Return the squared difference of x and y (N, ...), summed over each row, the mean over the rows."""
    return mse_loss(x, y, reduction="sum") / len(x)


def entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross entropy of logits (N, classes), in float32 or better."""
    return cross_entropy(full_precision(logits), labels)
