"""What a training step is given."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeVar

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
        """Return the same batch with all its tensors on `device`."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
        moved: dict[str, Any] = {name: value.to(device, non_blocking=True) for name, value in tensors.items()}
        return replace(self, **moved)


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


@dataclass(frozen=True)
class Unlabelled(Batch):
    """Images of one folder: `b[i]` is what `a[i]` shows, cropped and mirrored anew. Nobody says which domain it is of.

    Attributes:
        labels: numbers (N,) int64 of the classes of the images, from 0, for scoring and for methods that may see a
            share of them; -1 where there is none, or where it is kept back.
    """

    labels: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))


@dataclass(frozen=True)
class Paired(Batch):
    """`b[i]` is the true translation of `a[i]`, cropped and flipped alike."""


BatchT = TypeVar("BatchT", bound=Batch)
