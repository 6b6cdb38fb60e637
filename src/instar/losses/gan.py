"""Adversarial losses. `real(p)` is small where the discriminator's output `p` says real, `fake(p)` where it says fake.

Both players use them: the discriminator minimises ``real(D(y)) + fake(D(G(x)))``, the generator ``real(D(G(x)))``,
the non-saturating form of every paper here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as nnf


class Gan(NamedTuple):
    """A pair of losses over a discriminator's raw outputs of any shape, each the mean over all of them."""

    real: Callable[[Tensor], Tensor]
    fake: Callable[[Tensor], Tensor]


lsgan = Gan(real=lambda p: (p - 1).square().mean(), fake=lambda p: p.square().mean())
r"""Least squares, \(E[(p - 1)^2]\) and \(E[p^2]\) (Mao et al. 2017)."""

vanilla = Gan(real=lambda p: nnf.softplus(-p).mean(), fake=lambda p: nnf.softplus(p).mean())
r"""Cross entropy on logits, \(E[-\log \sigma(p)]\) and \(E[-\log(1 - \sigma(p))]\) (Goodfellow et al. 2014)."""
