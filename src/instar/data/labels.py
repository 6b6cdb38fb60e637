"""Classes of images: their names, their numbers, and labelled images to score a classifier on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from instar.core.batch import Batch, Domain
from instar.core.errors import UserError
from instar.core.evenly import evenly
from instar.core.formats import DomainFormat
from instar.core.images import centre_square, resampling, to_tensor, to_values
from instar.core.listing import natural
from instar.core.masks import MASK, as_mask, hide, white
from instar.core.raster import Array
from instar.core.reading import UnreadableImage
from instar.data.refs import ImageRef


def known_classes(
    kind: type[Batch], images: Mapping[Domain, Sequence[ImageRef]], names: Mapping[Domain, str]
) -> list[str]:
    """Return the names of the classes whose numbers batches of a kind have; none where no image has a class.

    Args:
        kind: of the batches.
        images: training images by domain.
        names: of the domains.

    Raises:
        UserError: as `classes`, for domains in which all images must have a class.
    """
    for domain, how in kind.classes.items():
        if how == "all":
            classes(images[domain], names[domain])
    return some_classes([ref for domain in kind.classes for ref in images[domain]])


def classes(refs: Sequence[ImageRef], domain: str) -> list[str]:
    """Return the names of the classes of a domain's images, "2" before "10": their order gives them numbers.

    Raises:
        UserError: an image has no class, or there is one class only.
    """
    for ref in refs:
        if ref.label is None:
            raise UserError(
                f"{ref.name} has no class: {domain} needs a folder for each class, such as trainA/cat and trainA/dog"
            )
    names = some_classes(refs)
    if len(names) < 2:
        raise UserError(f"all images of {domain} are of the class {', '.join(names)}: a classifier needs two or more")
    return names


def some_classes(refs: Sequence[ImageRef]) -> list[str]:
    """Return the names of the classes that images have, "2" before "10"; none where they have none."""
    return sorted({ref.label for ref in refs if ref.label}, key=lambda name: natural(Path(name)))


def kept(labels: Tensor, share: float) -> Tensor:
    """Return labels (N,) of which all but a share of each class, at least one, are -1. Those left are spread evenly.

    Args:
        labels: numbers of classes, -1 for images without one.
        share: in [0, 1].
    """
    left = torch.full_like(labels, -1)
    for label in sorted(set(labels.tolist()) - {-1}):
        places = (labels == label).nonzero()[:, 0]
        count = max(1, int(len(places) * share))
        left[places[evenly(range(len(places)), count)]] = label
    return left


def numbers(labels: Sequence[str | None], names: Sequence[str]) -> Tensor:
    """Return the numbers (N,) int64 of classes by name; -1 for images without a class.

    Raises:
        UserError: there is no class of that name.
    """
    known: dict[str | None, int] = {name: i for i, name in enumerate(names)}
    for label in labels:
        if label is not None and label not in known:
            raise UserError(f"there is a class {label!r}, but the classifier knows {', '.join(names)}")
    return torch.tensor([known.get(label, -1) for label in labels], dtype=torch.int64)


def labelled(
    refs: Sequence[ImageRef], names: Sequence[str], form: DomainFormat, size: int, batch: int = 250
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images (N, channels, size, size) in [-1, 1] and the numbers (N,) of their classes.

    Centre squares, as those of the sample pictures. What has no class or cannot be read is left out.
    """
    kept = [ref for ref in refs if ref.label is not None]
    for start in range(0, len(kept), batch):
        squares: list[Tensor] = []
        there: list[str | None] = []
        for ref in kept[start : start + batch]:
            try:
                squares.append(square(ref, form, size))
            except UnreadableImage:
                continue
            there.append(ref.label)
        if squares:
            yield torch.stack(squares), numbers(there, names)


def square(ref: ImageRef, form: DomainFormat, size: int) -> Tensor:
    """Return the largest centred square of an image as (channels, size, size) in [-1, 1]."""
    return to_tensor(square_pixels(ref, form, size))


def square_pixels(ref: ImageRef, form: DomainFormat, size: int, *, resample: Image.Resampling | None = None) -> Array:
    """Return the largest centred square of an image as pixels (size, size, channels), as `to_tensor` takes them.

    What lies outside of its masks is hidden. It is resized as `resampling` says where nothing else is asked.

    Raises:
        UnreadableImage: the file is broken, or its bands or values are none of the format.
    """
    with ref.decoded() as found:
        image = as_mask(found) if form is MASK else found
        try:
            values = to_values(image, form)
        except UserError as error:
            raise UnreadableImage(ref.path, error.message.raw) from error
        square = centre_square(values, size, resampling(image) if resample is None else resample)
    return _within(square, ref.masks, size) if ref.masks else square


def _within(square: Array, masks: Sequence[ImageRef], size: int) -> Array:
    """Return a square (size, size, C) as float32 in [-1, 1] that is hidden outside of masks."""
    planes = to_tensor(square).numpy()
    seen = [white(square_pixels(mask, MASK, size, resample=Image.Resampling.NEAREST)) for mask in masks]
    hide(planes, np.logical_and.reduce(seen))
    found: NDArray[np.float32] = planes.transpose(1, 2, 0)
    return found
