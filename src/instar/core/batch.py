"""What a training step is given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import torch
from torch import Tensor
from typing_extensions import Self

Domain = Literal["a", "b"]


@dataclass(frozen=True)
class Batch:
    """Images of the two domains. Which folder is `a` is the data layer's choice, never a method's.

    Attributes:
        a: images of the source domain, (N, C, H, W) float in [-1, 1].
        b: images of the target domain, (N, C, H, W) float in [-1, 1].
        names: the files of `a`, then those of `b`, for messages that must name an image.
    """

    a: Tensor
    b: Tensor
    names: tuple[str, ...] = ()

    def to(self, device: torch.device) -> Self:
        """Return the same batch on `device`."""
        return replace(self, a=self.a.to(device, non_blocking=True), b=self.b.to(device, non_blocking=True))


@dataclass(frozen=True)
class Unpaired(Batch):
    """`a[i]` and `b[i]` have nothing to do with each other."""


@dataclass(frozen=True)
class Labelled(Unpaired):
    """The images of the source domain have classes; those of the target domain may have some, but nobody is told.

    Attributes:
        labels: numbers (N,) int64 of the classes of `a`, from 0.
    """

    labels: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))

    def to(self, device: torch.device) -> Self:
        """Return the same batch on `device`."""
        return replace(super().to(device), labels=self.labels.to(device, non_blocking=True))


@dataclass(frozen=True)
class Paired(Batch):
    """`b[i]` is the true translation of `a[i]`, cropped and flipped alike."""


BatchT = TypeVar("BatchT", bound=Batch)
