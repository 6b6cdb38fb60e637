"""Adversarial losses, all over a discriminator's raw outputs, and the penalty on its gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as nnf

from instar.core.precision import full_precision

Score = Callable[[Tensor], Tensor]
"""Maps raw outputs of any shape to the mean of the losses of all of them."""


class Gan(NamedTuple):
    """An adversarial loss: the discriminator minimises ``real(D(y)) + fake(D(G(x)))``, G ``generator(D(G(x)))``."""

    real: Score
    """Of the discriminator on real images: small where it says real."""
    fake: Score
    """Of the discriminator on fakes: small where it says fake."""
    generator: Score
    """Of the generator on its fakes: small where the discriminator says real. The non-saturating form."""


def _squared_error(target: float) -> Score:
    return lambda p: (full_precision(p) - target).square().mean()


def _cross_entropy(sign: float) -> Score:
    return lambda p: nnf.softplus(sign * full_precision(p)).mean()


lsgan = Gan(real=_squared_error(1.0), fake=_squared_error(0.0), generator=_squared_error(1.0))
r"""Least squares, \(E[(p - 1)^2]\) and \(E[p^2]\) (Mao et al. 2017)."""

vanilla = Gan(real=_cross_entropy(-1.0), fake=_cross_entropy(1.0), generator=_cross_entropy(-1.0))
r"""Cross entropy on logits, \(E[-\log \sigma(p)]\) and \(E[-\log(1 - \sigma(p))]\) (Goodfellow et al. 2014)."""

hinge = Gan(
    real=lambda p: nnf.relu(1 - full_precision(p)).mean(),
    fake=lambda p: nnf.relu(1 + full_precision(p)).mean(),
    generator=lambda p: -full_precision(p).mean(),
)
r"""\(E[\max(0, 1 - p)]\), \(E[\max(0, 1 + p)]\) and \(-E[p]\) (Lim and Ye 2017).

The discriminator stops where an image is clearly real or fake, the generator never.
"""


def over_scales(score: Score, outputs: Sequence[Tensor]) -> Tensor:
    """Return the sum of a loss over the outputs of a discriminator at several scales."""
    return torch.stack([score(p) for p in outputs]).sum()


def halves(outputs: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return the outputs for the first half of a batch and for the second, a map for each scale."""
    pairs = [p.chunk(2) for p in outputs]
    return [first for first, _ in pairs], [second for _, second in pairs]


def r1(output: Tensor, images: Tensor) -> Tensor:
    r"""Squared gradient at real images, \(E \|\nabla_x D(x)\|^2\): eq. 9 of Mescheder et al. 2018, no \(\gamma / 2\).

    Args:
        output: one raw number (N,) for each image, or maps (N, ...) of them, which are summed.
        images: (N, C, H, W), from which `output` was computed; they must require a gradient.

    Returns:
        A scalar in float32 or better, with a graph of its own.
    """
    total = full_precision(output).sum()
    (gradient,) = torch.autograd.grad(total, images, create_graph=True)
    return gradient.to(total.dtype).square().sum() / len(images)
