"""The hinge loss: the discriminator stops where an image is clearly real or fake, the generator never."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as nnf

from instar.losses.gan import Gan


def _full(p: Tensor) -> Tensor:
    return p.to(torch.promote_types(p.dtype, torch.float32))


hinge = Gan(real=lambda p: nnf.relu(1 - _full(p)).mean(), fake=lambda p: nnf.relu(1 + _full(p)).mean())
r"""Of the discriminator, \(E[\max(0, 1 - p)]\) and \(E[\max(0, 1 + p)]\) (Lim and Ye 2017)."""


def hinge_generator(p: Tensor) -> Tensor:
    r"""Of the generator, \(-E[p]\), for raw outputs of any shape. In float32 or better."""
    return -_full(p).mean()
