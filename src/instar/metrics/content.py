"""What a translation keeps of its input: how much changed, whether light and dark swapped, whether things stay put.

None of them needs a true translation. They raise alarms; they are no scores to be maximised: a copy of the input keeps
everything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from instar.core.raster import LUMA
from instar.metrics.diversity import ImageDistance
from instar.metrics.interval import mean_interval
from instar.metrics.paired import l1

_FLAT = 1e-6  # standard deviation, in [-1, 1], below which an image has no light and dark


class Change(NamedTuple):
    """How far translations are from their inputs, one number per image."""

    l1: Tensor
    """(N,) mean absolute difference of the 8-bit values, 0..255."""
    features: Tensor | None
    """(N,) distance of features, or None without a distance."""
    name: str
    """What the distance of features is called."""


def change(x: Tensor, out: Tensor, distance: ImageDistance | None = None) -> Change:
    """Return how much translations differ from their inputs; near 0 the method copies.

    Args:
        x: inputs (N, 3, H, W) in [-1, 1].
        out: their translations, of the same shape.
        distance: `LPIPS`, or `FeatureDistance` of an extractor.
    """
    if distance is None:
        return Change(l1(out, x), None, "")
    with torch.inference_mode():
        apart = (distance.embed(x) - distance.embed(out)).square().sum(1)
    return Change(l1(out, x), apart, f"{distance.name} to the input")


def luminance_correlation(x: Tensor, out: Tensor) -> Tensor:
    """Return Pearson's correlation of the luminance of input and translation over the places of each image (N,), -1..1.

    Colours that are inverted, which happens to CycleGAN early in training, give a value near -1. 0 if an image is flat.

    Args:
        x: inputs (N, C, H, W) in [-1, 1], gray or in colour.
        out: translations (N, C', H, W).
    """
    if x.ndim != 4 or len(x) != len(out) or x.shape[2:] != out.shape[2:]:
        raise ValueError(f"input and translation must be of one size, got {tuple(x.shape)} and {tuple(out.shape)}")
    a, b = _centred_luminance(x), _centred_luminance(out)
    size_a, size_b = a.square().mean(1).sqrt(), b.square().mean(1).sqrt()
    flat = (size_a < _FLAT) | (size_b < _FLAT)
    correlation = (a * b).mean(1) / (size_a * size_b).clamp(min=_FLAT**2)
    return correlation.masked_fill(flat, 0.0).clamp(-1, 1)


def looks_inverted(correlations: Tensor) -> bool:
    """Tell whether light and dark have swapped: the mean correlation (N,) is below 0 beyond chance (95 %); N >= 4.

    Between day and night, or photograph and negative, that may be right.
    """
    _, high = mean_interval(correlations.double().cpu().numpy())
    return high < 0


def colour_explained(x: Tensor, out: Tensor) -> Tensor:
    r"""Return which share of the change an affine map of the colours alone would make (N,), 0..1; 0 without a change.

    \(1 - \min_{A, b} |y - A x - b|^2 / |y - x|^2\), with one map for all places of an image, found by least squares.
    Near 1 nothing but colours changed: tint, brightness, contrast, greyness.

    Args:
        x: inputs (N, C, H, W).
        out: their translations, of the same shape.
    """
    if x.ndim != 4 or x.shape != out.shape:
        raise ValueError(f"input and translation must be of one size, got {tuple(x.shape)} and {tuple(out.shape)}")
    a, b = (images.detach().cpu().double().flatten(2).transpose(1, 2) for images in (x, out))
    whole = (b - a).square().sum((1, 2))
    a, b = (colours - colours.mean(1, keepdim=True) for colours in (a, b))
    # The pseudo-inverse, as images of one colour have no least-squares solution of their own.
    best = a @ (torch.linalg.pinv(a.transpose(1, 2) @ a, hermitian=True) @ (a.transpose(1, 2) @ b))
    left = (b - best).square().sum((1, 2))
    unchanged = whole <= _FLAT**2 * a.shape[1]
    share: Tensor = (1 - left / whole.masked_fill(unchanged, 1.0)).clamp(0, 1)
    return share.masked_fill(unchanged, 0.0)


def structure_distance(maps: Callable[[Tensor], Tensor], x: Tensor, out: Tensor) -> Tensor:
    r"""Return how differently the parts of input and translation relate to each other (N,); 0 is best.

    \(\mathrm{mean}_{ij} (S_{ij}(x) - S_{ij}(y))^2\), where the self-similarity \(S_{ij} = \cos(f_i, f_j)\) is that of
    the features at the places i and j (Shechtman & Irani 2007; in deep features Kolkin et al. 2019). Colour and
    texture may change as long as equal parts stay equal and different parts stay different.

    The "structure distance" of the literature takes the keys of DINO's ViT-B/8 (Tumanyan et al. 2022, section 3.1),
    whose weights Instar does not ship or fetch. Here the features are the caller's, and they are part of the name:
    with `MobileNetFeatures.maps` print "MobileNet self-similarity distance". It compares only within one kind.

    Args:
        maps: from images (N, 3, H, W) in [-1, 1] to features by place (N, C, h, w).
        x: inputs.
        out: their translations.
    """
    with torch.inference_mode():
        similarities = [_self_similarity(maps(images)) for images in (x, out)]
    return (similarities[0] - similarities[1]).square().mean((1, 2))


def _self_similarity(features: Tensor) -> Tensor:
    """Map features (N, C, h, w) to the cosines (N, h w, h w) of all pairs of places."""
    if features.ndim != 4:
        raise ValueError(f"self-similarity needs features by place (N, C, h, w), got {tuple(features.shape)}")
    unit = normalize(features.double().flatten(2), dim=1)
    return unit.transpose(1, 2) @ unit


def _centred_luminance(images: Tensor) -> Tensor:
    """Map images (N, C, H, W) to luminance less its mean (N, H W), float64."""
    if images.shape[1] not in (1, 3):
        raise ValueError(f"luminance needs images of 1 or 3 channels, got {images.shape[1]}")
    planes = images.double()
    weights = planes.new_tensor(LUMA if images.shape[1] == 3 else (1.0,))
    light = (planes * weights[:, None, None]).sum(1).flatten(1)
    return light - light.mean(1, keepdim=True)
