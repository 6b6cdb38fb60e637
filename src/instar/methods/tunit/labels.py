"""Labels that TUNIT may see, by its mode."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from instar.core.batch import Unlabelled
from instar.core.errors import UserError, setting


def visible_labels(batch: Unlabelled, mode: Literal["joint", "separate", "semi", "sup"], domains: int) -> Tensor:
    """Return the classes (N,) int64 that TUNIT's mode may see, -1 for the others.

    Args:
        batch: with classes, or without.
        mode: semi needs some, sup needs all, the others see none.
        domains: there may be at most as many classes.

    Raises:
        UserError: classes are missing, or there are more than domains.
    """
    labels = batch.labels
    if mode in ("joint", "separate"):
        return torch.full((len(batch.a),), -1, device=batch.a.device)
    if not len(labels) or (mode == "sup" and batch.label_range[0] < 0):
        raise UserError(f"{setting('method.mode', mode)} needs classes: a folder for each, such as train/cat")
    if batch.label_range[1] >= domains:
        raise UserError(
            f"there are {batch.label_range[1] + 1} classes or more: set {setting('method.domains')} to their number"
        )
    return labels
