"""Landmarks of images: found, and moved before an image is drawn from them. Places are in pixels of the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from instar.core.abilities import Landmarked, supports
from instar.core.batch import Domain
from instar.core.errors import UserError
from instar.core.raster import Picture
from instar.inference.arrays import planes_to_images
from instar.inference.model import Model, without_gradients
from instar.inference.padding import content_share, cropped, resized

Points = NDArray[np.float32]
"""(K, 2) or (N, K, 2), from the left and from the upper border in pixels."""


@without_gradients()
def found_landmarks(model: Model, image: Picture, domain: Domain, size: int | None) -> Points:
    """Return the landmarks (K, 2) of an image of a domain, at which the networks work at a short side."""
    method = _landmarked(model)
    x = model.planes([image], domain, size)
    planes = model.padded(x)
    points: Points = _in_pixels(method.landmarks(planes, domain=domain), x, planes, image)[0]
    return points


@without_gradients()
def landmark_count(model: Model) -> int:
    """Return how many landmarks the model puts on an image."""
    x = model.padded(model.planes([Image.new("RGB", (32, 32))], model.keys.source))
    return _landmarked(model).landmarks(x, domain=model.keys.source).shape[1]


@without_gradients()
def drawn_with_moved_landmarks(
    model: Model,
    batch: Sequence[Picture],
    domain: Domain,
    by: NDArray[np.float32] | float,
    *,
    source: Domain | None,
    size: int | None,
    style: NDArray[np.float32] | None,
) -> tuple[list[Picture], Points]:
    """Draw images of one size in a domain with their landmarks moved, as `Translator.moved` says."""
    method = _landmarked(model)
    given = source or model.keys.opposite(domain)
    x = model.planes(batch, given, size)
    planes = model.padded(x)
    shift = _checked_move(model, by, len(batch)).to(model.device) * content_share(x, planes)
    styles = None if style is None else torch.from_numpy(style).to(model.device)
    out, points = method.move(planes, shift, to=domain, style=styles, source=source)
    whole = resized(cropped(out, *x.shape[-2:]), batch[0].height, batch[0].width)
    made = planes_to_images(whole, batch, model.format_of(domain), model.format_of(given))
    return made, _in_pixels(points, x, planes, batch[0])


def _checked_move(model: Model, by: NDArray[np.float32] | float, count: int) -> Tensor:
    move = torch.tensor(by, dtype=torch.float32)
    if move.ndim:
        landmarks = landmark_count(model)
        if tuple(move.shape) not in ((landmarks, 2), (count, landmarks, 2)):
            wanted = f"({landmarks}, 2) or ({count}, {landmarks}, 2)"
            raise ValueError(f"expected a move of all landmarks, {wanted}, got {tuple(move.shape)}")
    if not move.isfinite().all():
        raise ValueError("a move must be of finite numbers; this one holds NaN or infinity")
    return move


def _in_pixels(points: Tensor, x: Tensor, planes: Tensor, image: Picture) -> Points:
    """Return points (N, K, 2) in [-1, 1] of padded planes in pixels of an image that was made x."""
    places = (points + 1) / 2 / content_share(x, planes) * points.new_tensor(image.size)
    return np.asarray(places.cpu(), np.float32)


def _landmarked(model: Model) -> Landmarked:
    if not supports(model.method, Landmarked):
        raise UserError(f"{model.name} has no landmarks")
    return model.method
