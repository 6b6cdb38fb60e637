"""Whether pairs are pairs: images that belong together are more alike than the same images shuffled.

Two ways to be alike are measured, and each is compared with the same images in random orders: edges at the
same places, and dependence, by the Hilbert-Schmidt independence criterion (Gretton et al. 2005) of small copies. The
second needs no likeness at all, only that similar images have similar partners: photographs and their label maps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instar.core.raster import Array
from instar.core.seed import mix

FEWEST, MOST = 16, 64
"""Pairs below which nothing is said; pairs that are looked at."""
_LEAST, _EACH = 4.0, 1 / 8
"""Likeness that pairs have at least, and for each of them. With 64 pairs photographs and maps, or label maps, have 20
and more, the same images shuffled 5 at most: series of neighbouring frames are alike in many orders."""
_SIDE, _COARSE, _ORDERS = 32, 8, 200

UNLIKE = "images of one name are no more alike than shuffled ones"

Floats = NDArray[np.float64]
Pixels = Sequence[Array]
"""Images (H, W, C), uint8 or uint16."""


def likeness(first: Pixels, second: Pixels) -> float:
    """Return how much more alike images are with their partners than in random orders, in standard deviations.

    Always the same for the same images.

    Args:
        first: one image of each pair.
        second: their partners, in the same order.
    """
    x, y = (np.stack([_small(pixels) for pixels in side]) for side in (first, second))
    edges, dependence = _edges(x) @ _edges(y).T, (_kernel(x), _kernel(y))
    places = np.arange(len(x))
    by_edges = _above(lambda order: float(edges[places, order].mean()), len(x))
    by_dependence = _above(lambda order: float((dependence[0] * dependence[1][np.ix_(order, order)]).sum()), len(x))
    return (by_edges + by_dependence) / 2**0.5


def unlike(first: Pixels, second: Pixels) -> bool:
    """Return whether images are hardly more alike with their partners than shuffled; arguments as of `likeness`."""
    return len(first) >= FEWEST and likeness(first, second) < max(_LEAST, _EACH * len(first))


def _above(score: Callable[[NDArray[np.intp]], float], count: int) -> float:
    """Return by how many standard deviations the score of the given order is above that of others."""
    random = np.random.default_rng(mix(count))
    others = np.array([score(random.permutation(count)) for _ in range(_ORDERS)])
    spread = others.std()
    return float((score(np.arange(count)) - others.mean()) / spread) if spread > 1e-12 else 0.0


def _small(pixels: Array) -> Floats:
    """Return pixels (H, W, C) as (32, 32, 3) in [0, 1]."""
    plain = (pixels // 257).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
    image = Image.fromarray(plain[:, :, 0] if plain.shape[2] == 1 else plain).convert("RGB")
    return np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BOX), dtype=np.float64) / 255


def _edges(x: Floats) -> Floats:
    """Return unit vectors (N, D) of where the edges of each image are that not all of them have."""
    down, right = np.gradient(x.mean(3), axis=(1, 2))
    found = np.hypot(down, right).reshape(len(x), -1)
    found = found - found.mean(0)
    found = found - found.mean(1, keepdims=True)
    unit: Floats = found / (np.linalg.norm(found, axis=1, keepdims=True) + 1e-9)
    return unit


def _kernel(x: Floats) -> Floats:
    """Return the centred Gaussian kernel (N, N) between coarse copies, as wide as the median of their distances."""
    step = _SIDE // _COARSE
    coarse = x.reshape(len(x), _COARSE, step, _COARSE, step, 3).mean((2, 4)).reshape(len(x), -1)
    apart = ((coarse[:, None] - coarse[None]) ** 2).sum(2)
    kernel = np.exp(-apart / max(float(np.median(apart)), 1e-12))
    centred: Floats = kernel - kernel.mean(0) - kernel.mean(1, keepdims=True) + kernel.mean()
    return centred
