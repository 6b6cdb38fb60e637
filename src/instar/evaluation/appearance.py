"""Whether translations show the target, look real, and are free of artefacts: scores against real training images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from instar.core.evenly import evenly
from instar.core.events import Listener, ignore
from instar.core.formats import DomainFormat
from instar.core.images import colour
from instar.data import ImageRef
from instar.evaluation.held_out import HeldOut, squares
from instar.evaluation.references import real_features
from instar.evaluation.score import Better, Score, mean_of
from instar.evaluation.spread import Spread, here
from instar.metrics.artefacts import ArtefactDetector
from instar.metrics.blocks import Samples
from instar.metrics.extractors import Extractor
from instar.metrics.target import TargetDetector, TargetReadings

TARGET, PROBE, RUINS, REALISM = "target share", "probe share", "ruins", "realism"
"""Scores from features: shares of the images, and how many times farther from real ones than these from each other."""
SPOTS, CASTS, FRINGES, ENDS = "spots", "colour casts", "colour fringes", "pixels at the ends"
"""Scores from pixels: shares of the images, and of the pixels."""

BETTER: Mapping[str, Better] = {
    **dict.fromkeys((RUINS, REALISM, SPOTS, CASTS, FRINGES, ENDS), "lower"),
    **dict.fromkeys((TARGET, PROBE), "higher"),
}

TRAINING = 500
"""Training images of a domain, spread evenly, that are looked at."""
LEAST = 10
"""Training images of a domain below which nothing is known about it."""
LOOKED_AT = 256
"""Training images of a domain whose pixels are looked at."""


@dataclass(frozen=True)
class Appearance:
    """What real images say about how translations should look."""

    target: TargetDetector
    artefacts: ArtefactDetector

    @classmethod
    def of(
        cls,
        extractor: Extractor,
        images: HeldOut,
        real: Samples,
        on_event: Listener = ignore,
        spread: Spread = here,
    ) -> tuple[Appearance | None, list[str]]:
        """Look at the training images beside the test images.

        Args:
            extractor: of the features.
            images: the test images, and where the training images are.
            real: features (M, D) of the test images of the target.
            on_event: told how far it is.
            spread: has features computed.

        Returns:
            What was found; None, and why, where it cannot be had.
        """
        if images.one_folder:
            return None, []  # nothing says which images are of the target
        if min(map(len, images.training)) < LEAST:
            return None, [f"no {TARGET}: it needs {LEAST} training images of each domain beside the test images"]

        def features(refs: Sequence[ImageRef], form: DomainFormat) -> Samples:
            return real_features(extractor, refs, form, images.size, on_event, spread).features

        sides = tuple(zip(images.training, images.formats, strict=True))
        source, target = (features(evenly(refs, TRAINING), form) for refs, form in sides)
        try:
            detector = TargetDetector.fit(source, target, features(images.inputs, images.formats[0]), real)
        except ValueError as error:
            return None, [f"no {TARGET}: {error}"]
        shown = (
            torch.cat([colour(batch) for batch in squares(evenly(refs, LOOKED_AT), form, images.size)])
            for refs, form in sides
        )
        return cls(detector, ArtefactDetector(*shown)), []

    def scores(self, seen: Samples) -> list[Score]:
        """Return what the features (N, D) of translations say."""
        return target_scores(self.target.read(seen))

    def artefacts_in(self, x: Tensor, out: Tensor) -> dict[str, Tensor]:
        """Return a number (n,) for each of some translations (n, C, H, W) of inputs of the same shape, by its name."""
        found = self.artefacts.find(colour(x), colour(out))
        return {
            SPOTS: (found.spots > self.artefacts.spot_limit).double(),
            CASTS: (found.casts > self.artefacts.cast_limit).double(),
            FRINGES: (found.fringes > 1).double(),
            ENDS: found.ends.double(),
        }

    def ceiling(self, real: Samples, pairs: Iterable[tuple[Tensor, Tensor]]) -> list[Score]:
        """Return the scores of real images of the target in the place of translations.

        Args:
            real: features (M, D) of the test images of the target.
            pairs: inputs and any real images of the target, in batches.
        """
        parts = [self.artefacts_in(x, y) for x, y in pairs]
        whole = {name: torch.cat([part[name] for part in parts]) for name in (parts[0] if parts else ())}
        return [*self.scores(real), *(mean_of(name, values, BETTER[name]) for name, values in whole.items())]


def target_scores(found: TargetReadings) -> list[Score]:
    """Return shares of images, and the median of the realism."""
    shares = {TARGET: found.target, PROBE: found.probe, RUINS: found.ruin}
    scores = [mean_of(name, torch.from_numpy(share).double(), BETTER[name]) for name, share in shares.items()]
    return [*scores, Score(REALISM, float(np.median(found.realism)), BETTER[REALISM])]
