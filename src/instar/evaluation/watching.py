"""What translations of held-out images do while a run trains: how much changes, and what goes wrong. No network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from instar.core.abilities import Styled, supports
from instar.core.batch import Batch, Domain
from instar.core.evenly import evenly
from instar.core.images import centre_square, colour, comparable, to_tensor
from instar.core.method import Method
from instar.core.seed import seeded
from instar.data.store import ImageStore
from instar.evaluation.appearance import SPOTS
from instar.evaluation.between import BETWEEN
from instar.metrics.artefacts import ArtefactDetector

CONTRAST = "contrast"
"""Of translations, by that of real images of the target: near 0 all is one colour."""

WATCHED = 16
"""Held-out images of each domain that are translated."""
LEAST, MOST = 10, 64
"""Training images of a domain below which spots are not looked for, and that are looked at."""
_BATCH = 8


class Watcher:
    """Measures a method in eval mode on a few held-out images."""

    def __init__(
        self, samples: Callable[[], Batch], training: Mapping[Domain, ImageStore], size: int, seed: int
    ) -> None:
        """Know the images; they are read when they are first needed.

        Args:
            samples: returns held-out images by domain, centre squares.
            training: training images (H, W, C) by domain.
            size: of the squares.
            seed: of the method's noise and styles: the same ones at all times.
        """
        self._samples = samples
        self._training, self._size, self._seed = training, size, seed
        self._detectors: dict[tuple[Domain, Domain], ArtefactDetector | None] = {}

    def __call__(self, method: Method[Any]) -> dict[Domain, dict[str, float]]:
        """Return means over the translations into each domain, by name; of one folder there are none."""
        found = {to: self._measure(method, to) for to in method.targets}
        return {to: values for to, values in found.items() if values}

    def _measure(self, method: Method[Any], to: Domain) -> dict[str, float]:
        numbers: dict[str, list[Tensor]] = {}
        device = next(method.parameters()).device
        for source, images in self._images.items():
            if source == to:
                continue
            detector = self._detector(source, to)
            for x, y in translated(method, (part.to(device) for part in torch.split(images, _BATCH)), to, self._seed):
                a, b = comparable(x, y)
                for name, measure in BETWEEN.items():
                    numbers.setdefault(name, []).append(measure(a, b))
                numbers.setdefault(CONTRAST, []).append(_contrast(y) / max(self._real_contrast(to), 1e-6))
                if detector:
                    spots = detector.find_spots(colour(x), colour(y)) > detector.spot_limit
                    numbers.setdefault(SPOTS, []).append(spots.double())
        return {name: float(torch.cat(values).mean()) for name, values in numbers.items()}

    @cached_property
    def _images(self) -> Mapping[Domain, Tensor]:
        return self._samples().images

    def _real_contrast(self, to: Domain) -> float:
        return float(_contrast(self._images[to].float().cpu()).mean())

    def _detector(self, source: Domain, to: Domain) -> ArtefactDetector | None:
        """Return what finds spots, by what training images look like; None where they are too few to say."""
        if (source, to) not in self._detectors:
            sides = [self._squares(domain) for domain in (source, to)]
            enough = min(map(len, sides)) >= LEAST
            self._detectors[source, to] = ArtefactDetector(*map(torch.stack, sides)) if enough else None
        return self._detectors[source, to]

    def _squares(self, domain: Domain) -> list[Tensor]:
        images = self._training[domain]
        chosen = (images.looked_at(i) for i in evenly(range(len(images)), MOST))
        return [colour(to_tensor(centre_square(pixels, self._size))[None])[0] for pixels in chosen]


def translated(
    method: Method[Any], batches: Iterable[Tensor], to: Domain, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs and their translations (n, C, H, W) in [-1, 1], float32 on the CPU.

    A method that draws one style for its batch gets one image at a time.

    Args:
        method: in eval mode.
        batches: inputs (n, C, H, W), where the method is.
        to: domain to translate into.
        seed: of noise and styles, with the place of the images.
    """
    place = 0
    for batch in batches:
        for x in batch[:, None] if supports(method, Styled) else (batch,):
            with seeded(seed, place):
                y = method.translate(x, to=to)
            yield x.float().cpu(), y.float().cpu().clamp(-1, 1)
            place += 1


def _contrast(images: Tensor) -> Tensor:
    """Return the standard deviation of the pixels about the mean colour of each image (N,)."""
    return images.double().std((2, 3), correction=0).mean(1)
