"""Registered metrics on their way through the test images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from numbers import Real

import torch
from torch import Tensor

from instar.core.errors import UserError
from instar.core.images import colour
from instar.core.seed import seeded
from instar.evaluation.pixels import from_eight_bit, to_eight_bit
from instar.evaluation.registry import Metric, metrics
from instar.evaluation.score import Score, mean_of


def reference_images(batches: Callable[[], Iterable[Tensor]]) -> Callable[[], Tensor]:
    """Return a function that returns all images of some batches as 8-bit values (M, 3, H, W), read when first asked."""
    return cache(lambda: torch.cat([to_eight_bit(colour(batch)) for batch in batches()]))


class RegisteredScores:
    """The scores of one set of translations by all metrics whose needs are there."""

    def __init__(self, reference: Callable[[], Tensor] | None = None) -> None:
        """Begin.

        Args:
            reference: returns real images of the target domain as 8-bit values (M, 3, H, W).
        """
        self._known = metrics()
        self._reference = reference
        self._numbers: dict[str, list[Tensor]] = {}
        self._images: dict[str, list[Tensor]] = {}

    def __bool__(self) -> bool:
        """Whether there are registered metrics."""
        return bool(self._known)

    def add(self, translations: Tensor, inputs: Tensor | None = None, truth: Tensor | None = None) -> None:
        """Take a batch of translations (n, C, H, W) in [-1, 1], their inputs and their truths."""
        if not self._known:
            return
        given = {"translations": translations, "inputs": inputs, "truth": truth}
        batch = {name: to_eight_bit(colour(images)) for name, images in given.items() if images is not None}
        there = {*batch, "reference"} if self._reference else {*batch}
        self._known = [metric for metric in self._known if there.issuperset(metric.needs)]
        for metric in self._known:
            if metric.per_image:
                self._numbers.setdefault(metric.name, []).append(self._each(metric, batch))
        later = [metric for metric in self._known if not metric.per_image]
        wanted = {"translations", *(need for metric in later for need in metric.needs)} if later else set()
        for name in batch.keys() & wanted:
            self._images.setdefault(name, []).append(batch[name])

    def scores(self) -> list[Score]:
        """Return the scores of all that was added."""
        images = {name: torch.cat(parts) for name, parts in self._images.items()}
        found = []
        for metric in self._known:
            if metric.per_image:
                found.append(mean_of(metric.name, torch.cat(self._numbers[metric.name]), metric.better))
            else:
                found += self._whole(metric, images)
        return found

    def _call(self, metric: Metric, images: Mapping[str, Tensor]) -> Tensor | float | Score | Sequence[Score]:
        needed: dict[str, Tensor] = {need: from_eight_bit(images[need]) for need in metric.needs if need != "reference"}
        if "reference" in metric.needs and self._reference:
            needed["reference"] = from_eight_bit(self._reference())
        with seeded(0), torch.no_grad():  # the same scores each time, should it draw
            return metric(from_eight_bit(images["translations"]), **needed)

    def _each(self, metric: Metric, batch: Mapping[str, Tensor]) -> Tensor:
        found, count = self._call(metric, batch), len(batch["translations"])
        if not isinstance(found, Tensor) or found.shape != (count,):
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise UserError(f"the metric {metric.name!r} must return a number for each image, ({count},), not {shape}")
        return found.detach().cpu()

    def _whole(self, metric: Metric, images: Mapping[str, Tensor]) -> list[Score]:
        found = self._call(metric, images)
        if isinstance(found, Score):
            return [found]
        if isinstance(found, (Real, Tensor)):
            return [Score(metric.name, float(found), metric.better)]
        if isinstance(found, Sequence) and all(isinstance(one, Score) for one in found):
            return list(found)
        raise UserError(f"the metric {metric.name!r} must return a number or scores, not a {type(found).__name__}")
