"""DANN's networks for digits: features, classes, domains; and gradients that are reversed between them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

SIDE = 28
"""Of the images."""
FEATURES = 48 * 4 * 4
"""Of an image."""
HIDDEN = 100
"""Numbers in the hidden layers of both classifiers."""


class Features(nn.Sequential):
    """Two convolutions with pooling: images (N, C, 28, 28) to features (N, 768)."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__(
            *(nn.Conv2d(channels, 32, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 48, 5), nn.ReLU(), nn.MaxPool2d(2)),
            nn.Flatten(),
        )


class Classes(nn.Sequential):
    """Names classes of features: (N, 768) to logits (N, classes)."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__(
            *(nn.Linear(FEATURES, HIDDEN), nn.ReLU()),
            *(nn.Linear(HIDDEN, HIDDEN), nn.ReLU()),
            nn.Linear(HIDDEN, classes),
        )


class Domains(nn.Sequential):
    """Says of features which domain they are from: (N, 768) to raw outputs (N, 1), high for b."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(FEATURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))


def reversed_gradient(x: Tensor, strength: float) -> Tensor:
    """Return x; the gradient goes back times `-strength`."""
    out: Tensor = _Reversal.apply(x, strength)
    return out


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None
