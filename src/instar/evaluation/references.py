"""Features of real images, computed once for all evaluations with the same files and extractor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from instar.core.events import Listener, ignore
from instar.core.formats import DomainFormat
from instar.core.images import colour, to_tensor
from instar.core.raster import Array
from instar.data import ImageRef
from instar.data.cache import home
from instar.data.labels import square_pixels
from instar.evaluation.held_out import loaded
from instar.evaluation.progress import counted
from instar.metrics.extractors import Extractor
from instar.metrics.reference import Reference, reference_features, reference_key


def real_features(
    extractor: Extractor, refs: Sequence[ImageRef], form: DomainFormat, size: int, on_event: Listener = ignore
) -> Reference:
    """Return the features (N, D) of the centre squares of real images, kept in the folder of caches.

    Those of an extractor of the user's are computed each time: its code may change unseen.

    Raises:
        UserError: no image can be read.
    """
    if not extractor.lasting:
        return features_of(extractor, refs, form, size, "real images", on_event)
    parts: list[object] = [(ref.half, ref.entry) for ref in refs if ref.half or ref.entry]
    parts += [ref.page for ref in refs if ref.page is not None]
    preparation = f"centre squares, {size} px, {form.channels} channels, parts of files: {parts}"
    if not form.plain:
        preparation += f", {form}"
    paths = [one.path for ref in refs for one in (ref, *ref.masks)]
    if len(paths) > len(refs):
        preparation += ", within masks"
    key = reference_key(paths, extractor, preparation)
    return reference_features(home(), key, lambda: features_of(extractor, refs, form, size, "real images", on_event))


def features_of(
    extractor: Extractor,
    refs: Sequence[ImageRef],
    form: DomainFormat,
    size: int,
    what: str = "images",
    on_event: Listener = ignore,
) -> Reference:
    """Return the features (N, D) of the centre squares of images; unreadable files are left out.

    Args:
        extractor: what makes the features.
        refs: the images.
        form: of their domain.
        size: side of the squares.
        what: the images are called in the events.
        on_event: told how far it is.

    Raises:
        UserError: no image can be read.
    """
    places: list[int] = []

    def load(place: int) -> tuple[int, Array]:
        return place, square_pixels(refs[place], form, size)

    def batches() -> Iterator[Tensor]:
        for found in counted(loaded(range(len(refs)), load), len, what, len(refs), on_event):
            places.extend(place for place, _ in found)
            yield colour(torch.stack([to_tensor(array) for _, array in found]))

    return Reference(extractor.features(batches()), places)
