"""Adversarial losses. `real(p)` is small where the discriminator's output `p` says real, `fake(p)` where it says fake.

Both players use them: the discriminator minimises ``real(D(y)) + fake(D(G(x)))``, the generator ``real(D(G(x)))``,
the non-saturating form of every paper here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as nnf


class Gan(NamedTuple):
    """A pair of losses over a discriminator's raw outputs of any shape, each the mean over all of them."""

    real: Callable[[Tensor], Tensor]
    fake: Callable[[Tensor], Tensor]


def _full(p: Tensor) -> Tensor:
    """Return p in float32 or better: under autocast it comes in bf16, too coarse to average."""
    return p.to(torch.promote_types(p.dtype, torch.float32))


lsgan = Gan(real=lambda p: (_full(p) - 1).square().mean(), fake=lambda p: _full(p).square().mean())
r"""Least squares, \(E[(p - 1)^2]\) and \(E[p^2]\) (Mao et al. 2017)."""

vanilla = Gan(real=lambda p: nnf.softplus(-_full(p)).mean(), fake=lambda p: nnf.softplus(_full(p)).mean())
r"""Cross entropy on logits, \(E[-\log \sigma(p)]\) and \(E[-\log(1 - \sigma(p))]\) (Goodfellow et al. 2014)."""
