"""Features of real images, computed once for all evaluations with the same files and extractor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from instar.core.events import Listener, ignore
from instar.core.formats import DomainFormat
from instar.core.images import colour, to_tensor
from instar.core.raster import Array
from instar.data import ImageRef
from instar.data.cache import home
from instar.data.labels import square_pixels
from instar.evaluation.held_out import Attempt, attempts, readable
from instar.evaluation.progress import counted
from instar.evaluation.spread import Spread, here
from instar.metrics.extractors import Extractor
from instar.metrics.reference import Reference, reference_features, reference_key


def real_features(
    extractor: Extractor,
    refs: Sequence[ImageRef],
    form: DomainFormat,
    size: int,
    on_event: Listener = ignore,
    spread: Spread = here,
) -> Reference:
    """Return the features (N, D) of the centre squares of real images, kept in the folder of caches.

    Those of an extractor of the user's are computed each time: its code may change unseen.

    Raises:
        UserError: no image can be read.
    """

    def computed() -> Reference:
        return features_of(extractor, refs, form, size, "real images", on_event, spread)

    if not extractor.lasting:
        return computed()
    parts: list[object] = [(ref.half, ref.entry) for ref in refs if ref.half or ref.entry]
    parts += [ref.page for ref in refs if ref.page is not None]
    preparation = f"centre squares, {size} px, {form.channels} channels, parts of files: {parts}"
    if not form.plain:
        preparation += f", {form}"
    paths = [one.path for ref in refs for one in (ref, *ref.masks)]
    if len(paths) > len(refs):
        preparation += ", within masks"
    key = reference_key(paths, extractor, preparation)
    return reference_features(home(), key, computed)


def features_of(
    extractor: Extractor,
    refs: Sequence[ImageRef],
    form: DomainFormat,
    size: int,
    what: str = "images",
    on_event: Listener = ignore,
    spread: Spread = here,
) -> Reference:
    """Return the features (N, D) of the centre squares of images; unreadable files are left out.

    Args:
        extractor: what makes the features.
        refs: the images.
        form: of their domain.
        size: side of the squares.
        what: the images are called in the events.
        on_event: told how far it is.
        spread: has it done.

    Raises:
        UserError: no image can be read.
    """
    work = _Features(extractor, form, size)
    found = readable(spread(work, list(enumerate(refs))), len(refs))
    batches = list(counted(found, lambda one: len(one.places), what, len(refs), on_event))
    if not batches:
        raise ValueError("there are no images to take features of")
    return Reference(
        np.concatenate([one.features for one in batches]), [place for one in batches for place in one.places]
    )


@dataclass(frozen=True)
class _Features:
    """Looks at images, each behind its place."""

    extractor: Extractor
    form: DomainFormat
    size: int

    def __call__(self, items: Sequence[tuple[int, ImageRef]]) -> Iterator[Attempt[Reference]]:
        return (one.then(self._seen) for one in attempts(items, self._load))

    def _load(self, item: tuple[int, ImageRef]) -> tuple[int, Array]:
        place, ref = item
        return place, square_pixels(ref, self.form, self.size)

    def _seen(self, found: Sequence[tuple[int, Array]]) -> Reference:
        x = colour(torch.stack([to_tensor(array) for _, array in found]))
        return Reference(self.extractor.features([x]), [place for place, _ in found])
