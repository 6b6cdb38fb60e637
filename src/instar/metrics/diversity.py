"""How different the translations of one image are: two protocols over any distance of images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize

from instar.core.errors import UserError
from instar.metrics.extractors import Extractor
from instar.metrics.interval import Bounds, mean_interval
from instar.metrics.lpips import LPIPS, Backbone, Version

Pairing = Literal["consecutive", "random"]

PAIRS = 19
"""Pairs of an input in both papers, over 100 inputs: 1,900 distances."""
SAMPLES = 20
"""Translations of an input that give 19 consecutive pairs."""


class ImageDistance(Protocol):
    """A distance of images that is a squared Euclidean one of vectors, such as `LPIPS`."""

    name: str

    def embed(self, images: Tensor) -> Tensor:
        """Map images (N, 3, H, W) in [-1, 1] to vectors (N, E)."""


class FeatureDistance:
    """|f/|f| - g/|g||² = 2 - 2 cos(f, g) of an extractor's features: where LPIPS cannot be had.

    It sees one vector an image, not places, and no human judgements went into it: never to be called LPIPS.
    """

    def __init__(self, extractor: Extractor) -> None:
        self.extractor = extractor
        self.name = f"{extractor.name} feature distance"

    def embed(self, images: Tensor) -> Tensor:
        """Map images (N, 3, H, W) in [-1, 1] to unit vectors (N, D), float64 on the CPU."""
        return normalize(torch.from_numpy(self.extractor.features([images])).double(), dim=1)


def distance_for(
    extractor: Extractor, backbone: Backbone = "alex", version: Version = "0.1", weights: Path | None = None
) -> tuple[ImageDistance, str]:
    """Return LPIPS, or where its backbone cannot be had the distance of an extractor's features, and why.

    Args:
        extractor: what takes the place of LPIPS.
        backbone: of LPIPS.
        version: of LPIPS.
        weights: the backbone's file; with it there is no substitute.

    Returns:
        The distance, and a line for the user, empty with LPIPS.

    Raises:
        UserError: `weights` are given and do not fit.
    """
    try:
        return LPIPS.load(backbone, version, weights), ""
    except UserError as error:
        if weights:
            raise
        distance = FeatureDistance(extractor)
        return distance, f"{distance.name} instead of LPIPS: {error.message.raw}"


class Diversity(NamedTuple):
    """The mean distance over all pairs of all inputs."""

    name: str
    """The distance, the protocol and the counts, as they are printed beside the number."""
    mean: float
    each: list[float]
    """By input."""

    def interval(self) -> Bounds:
        """Return a 95 % interval of the mean over the choice of inputs, of which there are at least four."""
        return mean_interval(self.each)


def diversity(
    distance: ImageDistance,
    translations: Iterable[Tensor],
    protocol: Pairing = "consecutive",
    pairs: int = PAIRS,
    seed: int = 0,
) -> Diversity:
    """Return the mean distance between translations of the same input; 0 for a method without style.

    - ``consecutive`` (BicycleGAN: Zhu et al. 2017, and its README): each sample against the next one, `pairs` + 1
      samples of each input.
    - ``random`` (MUNIT: Huang et al. 2018, section 5.2): `pairs` different pairs of each input's samples, drawn at
      random.

    Both estimate the same number; the second spreads less, since its pairs are not chained.

    Args:
        distance: `LPIPS` or `FeatureDistance`.
        translations: for each input its samples (K, 3, H, W) in [-1, 1], one after the other.
        protocol: which pairs are compared.
        pairs: how many an input.
        seed: of the random pairs.

    Raises:
        ValueError: there are no inputs, or too few samples for that many pairs.
    """
    generator = torch.Generator().manual_seed(seed)
    each, count = [], 0
    for samples in translations:
        first, second = _pairs(len(samples), protocol, pairs, generator)
        with torch.inference_mode():
            vectors = distance.embed(samples[: pairs + 1] if protocol == "consecutive" else samples)
            each.append(_mean(vectors, first, second))
        count += pairs
    if not each:
        raise ValueError("diversity needs the translations of at least one input")
    words = {"consecutive": "consecutive samples", "random": "random pairs"}[protocol]
    name = f"{distance.name} diversity, {words}, {len(each)} inputs, {count} pairs"
    return Diversity(name, sum(each) / len(each), each)


def _pairs(samples: int, protocol: Pairing, pairs: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the two places of each pair: (pairs,), (pairs,)."""
    if protocol == "consecutive":
        if samples <= pairs:
            raise ValueError(f"{pairs} consecutive pairs need {pairs + 1} translations of each input, got {samples}")
        places = torch.arange(pairs)
        return places, places + 1
    first, second = torch.triu_indices(samples, samples, offset=1)
    if len(first) < pairs:
        raise ValueError(f"{samples} translations of an input have {len(first)} pairs, not {pairs}")
    chosen = torch.randperm(len(first), generator=generator)[:pairs]
    return first[chosen], second[chosen]


def _mean(vectors: Tensor, first: Tensor, second: Tensor) -> float:
    # Pair by pair: the vectors of vgg at 256 px fill 32 MB each.
    distances = [(vectors[i] - vectors[j]).square().sum() for i, j in zip(first, second, strict=True)]
    return torch.stack(distances).double().mean().item()
