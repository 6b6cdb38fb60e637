"""A flat map of styles: images with similar styles lie beside each other."""

from __future__ import annotations

import importlib
import random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from instar.core.errors import UserError

LEAST = 10
"""Images below which there is no map."""
PERPLEXITY = 30.0
"""Neighbours that each image is laid beside, about; fewer where there are not three times as many images."""


def library() -> Any:
    """Return scikit-learn's module of maps. A missing one is a `UserError`."""
    before = random.getstate()
    try:
        return importlib.import_module("sklearn.manifold")
    except ImportError as error:
        raise UserError("the map of styles needs scikit-learn: pip install '.[inspect]'") from error
    finally:
        random.setstate(before)  # its first import draws from Python's generator, which is the caller's


def places(styles: Tensor) -> NDArray[np.float32]:
    """Return places (N, 2) in [0, 1] for styles (N, S), N at least `LEAST`, by t-SNE (van der Maaten, Hinton 2008).

    The same styles have the same places each time.
    """
    n, numbers = styles.shape
    tsne = library().TSNE(
        perplexity=min(PERPLEXITY, (n - 1) / 3), init="pca" if numbers > 1 else "random", random_state=0
    )
    found: NDArray[np.float32] = tsne.fit_transform(styles.numpy())
    low, high = found.min(0), found.max(0)
    placed: NDArray[np.float32] = (found - low) / np.maximum(high - low, 1e-9)
    return placed
