"""Translating tensors, which stay on their device."""

from __future__ import annotations

import torch
from torch import Tensor

from instar.inference.base import BaseTranslator
from instar.inference.checks import check_tensor
from instar.inference.kinds import Options, in_parts
from instar.inference.model import without_gradients


@without_gradients()
def translated_tensor(model: BaseTranslator, x: Tensor, options: Options) -> Tensor:
    """Translate a tensor (C, H, W) or (N, C, H, W)."""
    check_tensor(x, model.format_into(options.domain).channels)
    batch = x[None] if x.dim() == 3 else x
    made = [
        model.tensors(
            batch[part],
            options.domain,
            size=options.size,
            seed=options.seed,
            style=None if style is None else torch.from_numpy(style),
            fitting=options.fitting,
        )
        for part, style in in_parts(model, batch.shape, options)
    ]
    out = made[0] if len(made) == 1 else torch.cat(made)
    return out[0] if x.dim() == 3 else out
