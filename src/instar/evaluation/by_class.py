"""Scores for images with classes: distances within each class, and how found domains agree with the classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from instar.core.abilities import Clustered
from instar.core.errors import UserError
from instar.core.events import Listener, ignore
from instar.core.images import colour, to_tensor
from instar.core.raster import Array
from instar.data import ImageRef
from instar.data.labels import numbers, some_classes, square_pixels
from instar.evaluation.held_out import HeldOut, loaded
from instar.evaluation.pixels import rounded
from instar.evaluation.progress import counted
from instar.evaluation.score import Score
from instar.evaluation.scores import MOST_FOR_FD_BOUNDS
from instar.inference.translator import Translator
from instar.metrics import clusters
from instar.metrics.blocks import Samples
from instar.metrics.classes import by_class, by_class_interval
from instar.metrics.extractors import Extractor
from instar.metrics.frechet import frechet_distance
from instar.metrics.kid import kernel_distance
from instar.metrics.reference import Reference

Labels = Sequence[str | None]


def mean_over_classes(
    extractor: Extractor, made: Samples, of_made: Labels, real: Samples, of_real: Labels
) -> tuple[list[Score], list[str]]:
    """Return the means over classes of the distances within each class (mKID, mFID), every class counting alike.

    Args:
        extractor: of the features.
        made: features (N, D) of translations.
        of_made: the class of each: into which it was translated; None for images that do not count here.
        real: features (M, D) of real images.
        of_real: the class of each.

    Returns:
        The scores, none where they cannot be had, and what is to be said about them.
    """
    x, in_x = _labelled(made, of_made)
    y, in_y = _labelled(real, of_real)
    counts = Counter(in_x), Counter(in_y)
    names = sorted({*in_x, *in_y})
    if not in_x or not in_y or len(names) < 2:
        return [], []
    lonely = [name for name in names if min(count[name] for count in counts) < 2]
    if lonely:
        return [], [f"no mean over classes: {', '.join(lonely[:5])} has fewer than two images on one side"]
    of_x, of_y = (np.array([names.index(name) for name in labels]) for labels in (in_x, in_y))
    found = []
    for kind, distance in (("KID", kernel_distance), ("FD", frechet_distance)):
        value = by_class(distance, x, of_x, y, of_y).mean
        fast = kind == "KID" or max(len(x), len(y)) <= MOST_FOR_FD_BOUNDS
        many = min(min(count.values()) for count in counts) >= 4
        bounds = by_class_interval(distance, x, of_x, y, of_y) if many and fast else (None, None)
        title = extractor.title("KID" if kind == "KID" else "FD")
        found.append(Score(f"{title}, mean over classes", value, "lower", *bounds))
    said = ", ".join(f"{name} {counts[0][name]} against {counts[1][name]}" for name in names)
    return found, [f"mean over {len(names)} classes: {said} images"]


def agreement(method: Clustered, images: HeldOut, device: torch.device) -> tuple[list[Score], list[str]]:
    """Return how well the domains that a method found agree with the classes of test images.

    Raises:
        UserError: fewer than two classes are known.
    """
    refs = [ref for ref in images.inputs if ref.label]
    if len(names := some_classes(refs)) < 2:
        raise UserError("the domains agree with nothing: the test images have no classes, a folder for each")
    found, labels = [], []
    with torch.inference_mode():
        for batch in loaded(refs, lambda ref: (ref.label or "", square_pixels(ref, images.formats[0], images.size))):
            x = torch.stack([to_tensor(pixels) for _, pixels in batch])
            found.append(method.cluster(x.to(device)).argmax(1).cpu())
            labels += [label for label, _ in batch]
    domains, classes = torch.cat(found), numbers(labels, names)
    notes = [f"{len(set(domains.tolist()))} domains found, {len(names)} classes"]
    scores = [
        Score("cluster purity", clusters.purity(domains, classes), "higher"),
        Score("cluster NMI", clusters.nmi(domains, classes), "higher"),
        Score("cluster ARI", clusters.ari(domains, classes), "higher"),
    ]
    try:
        scores.insert(0, Score("cluster accuracy", clusters.matched_accuracy(domains, classes), "higher"))
    except UserError as error:
        notes.append(f"no cluster accuracy: {error.message.raw}")
    return scores, notes


def _labelled(features: Samples, labels: Labels) -> tuple[Samples, list[str]]:
    """Return the features of images with a class, and the classes."""
    places = [i for i, label in enumerate(labels) if label is not None]
    return features[places], [label for label in labels if label is not None]


class Classes:
    """The classes of the test images of a method that takes one folder and finds domains itself.

    As in TUNIT (Baek et al. 2021): every image is translated into every other class than its own, each time in the
    style of an image of that class, and is then compared with the images of that class. All are test images.
    """

    def __init__(self, images: HeldOut, extractor: Extractor, real: Reference) -> None:
        """Look at the classes of the images, `real` being their features."""
        refs = [images.inputs[place] for place in real.places]
        self._images, self._extractor = images, extractor
        self._refs = [ref for ref in refs if ref.label]
        self._real = real.features[[i for i, ref in enumerate(refs) if ref.label]]
        self.names = some_classes(self._refs)

    @property
    def there(self) -> bool:
        """Whether there is more than one class."""
        return len(self.names) > 1

    def copy(self) -> tuple[list[Score], list[str]]:
        """Return the means over classes of the images as they are, standing for translations into other classes."""
        labels = np.array(self._labels)
        others = [np.flatnonzero(labels != name) for name in self.names]
        made = np.concatenate([self._real[places] for places in others])
        of_made = [name for name, places in zip(self.names, others, strict=True) for _ in places]
        return mean_over_classes(self._extractor, made, of_made, self._real, self._labels)

    def translated(self, translator: Translator, on_event: Listener = ignore) -> tuple[list[Score], list[str]]:
        """Return the means over classes of the translations of a method with styles."""
        made, of_made = [], []
        for name in self.names:
            total = len(self._refs) - self._labels.count(name)
            batches = counted(self._into(name, translator), len, f"translating into {name}", total, on_event)
            features = self._extractor.features(colour(rounded(y)) for y in batches)
            made.append(features)
            of_made += [name] * len(features)
        return mean_over_classes(self._extractor, np.concatenate(made), of_made, self._real, self._labels)

    @property
    def _labels(self) -> list[str]:
        return [ref.label or "" for ref in self._refs]

    def _square(self, ref: ImageRef) -> Array:
        return square_pixels(ref, self._images.formats[0], self._images.size)

    def _into(self, name: str, translator: Translator) -> Iterator[Tensor]:
        """Yield the translations of all images of other classes into a class, in batches."""
        others = [ref for ref in self._refs if ref.label != name]
        own = [ref for ref in self._refs if ref.label == name]
        order = np.random.default_rng(0).permutation(len(others))
        pairs = [(ref, own[place % len(own)]) for ref, place in zip(others, order, strict=True)]
        method: Any = translator.method
        for found in loaded(pairs, lambda pair: tuple(self._square(ref) for ref in pair)):
            x, examples = (torch.stack([to_tensor(array) for array in side]) for side in zip(*found, strict=True))
            with torch.inference_mode():
                styles = method.encode_style(examples.to(translator.device), domain="b")
            each = zip(x, styles, strict=True)
            yield torch.cat([translator.tensors(one[None], "b", style=style) for one, style in each])
