"""Styles of a model: drawn, read from pictures, checked, and walked between."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from instar.core.abilities import Clustered, Styled, StyleEncoding, supports
from instar.core.batch import Domain
from instar.core.errors import UserError, setting
from instar.core.raster import Picture
from instar.core.seed import generator
from instar.core.settings import Bounds
from instar.inference.model import Model, without_gradients

Style = Tensor | NDArray[Any]
"""One (S,) for all images, or one (N, S) for each."""


@without_gradients()
def drawn_styles(model: Model, count: int, seed: int) -> Tensor:
    """Draw styles (count, S), each from a generator of its own: the first ones do not depend on `count`."""
    method = _styled(model)
    Bounds(1).check("count", count)
    Bounds(0).check("seed", seed)
    return torch.cat([method.sample_style(1, generator(seed, number)) for number in range(count)])


@without_gradients()
def encoded_style(model: Model, reference: Picture, domain: Domain) -> Tensor:
    """Return the style (S,) of a picture of a domain, at the size of the training."""
    method = _styled(model)
    if not supports(method, StyleEncoding):
        raise UserError(f"{model.name}: this model has styles, but cannot read one from an image, as it was trained")
    x = model.padded(model.planes([reference], domain, model.trained_at))
    return method.encode_style(x, domain=domain)[0]


def checked_style(model: Model, style: Style, count: int) -> Tensor:
    """Return a style for each of `count` images, (count, S).

    Raises:
        UserError: the model has no styles.
        ValueError: the style has another shape, or numbers that are not finite.
    """
    method = _styled(model)
    given = style if isinstance(style, Tensor) else torch.tensor(style)
    length = method.sample_style(1, generator(0)).shape[1]
    if not given.is_floating_point() or tuple(given.shape) not in ((length,), (count, length)):
        each = f" or ({count}, {length})" if count > 1 else ""
        raise ValueError(f"expected a float style ({length},){each}, got {given.dtype} {tuple(given.shape)}")
    if not given.isfinite().all():
        raise ValueError("a style must be of finite numbers; this one holds NaN or infinity")
    return given.to(torch.float32).expand(count, -1)


@without_gradients()
def style_of_own_domain(model: Model, to: str | None) -> Tensor | None:
    """Return the mean style (S,) of a domain that the model found, by its number; None for other names."""
    if to is None or not to.isdecimal() or not supports(model.method, Clustered):
        return None
    known = model.own_domains()
    if int(to) not in known:
        listed = ", ".join(map(str, known)) or "none: it was not trained far enough"
        raise UserError(f"{setting('to', to)}: this model found no such domain; those with images: {listed}")
    return model.method.cluster_styles()[int(to)]


@without_gradients()
def domain_probabilities(model: Model, image: Picture) -> Tensor:
    """Return the probabilities (K,) of the domains that the model found, for an image at the size of training."""
    if not supports(model.method, Clustered):
        raise UserError(f"{model.name} has found no domains of its own")
    return model.method.cluster(model.padded(model.planes([image], model.keys.source, model.trained_at)))[0].cpu()


def style_path(model: Model, first: Tensor, last: Tensor, count: int) -> list[Tensor]:
    """Return `count` styles (S,) on the way from one to another, both ends among them.

    Under a normal prior it is an arc, on which all are as likely as the ends. Styles that are read from images, as
    those of a model that found its domains, are not normal: the way between two of them is straight.
    """
    curve = torch.lerp if supports(model.method, Clustered) else slerp
    return [curve(first, last, number / (count - 1)) for number in range(count)]


def slerp(first: Tensor, last: Tensor, t: float) -> Tensor:
    """Return the style (S,) at t in [0, 1] on the arc between two: as likely under the prior as its ends.

    The straight line passes nearer to 0 than a normal vector ever is. Between parallel ends it is the arc.
    """
    cosine = (first @ last / (first.norm() * last.norm()).clamp(min=1e-12)).clamp(-1, 1)
    angle = cosine.arccos()
    if angle.sin() < 1e-4:
        return first.lerp(last, t)
    point: Tensor = (((1 - t) * angle).sin() * first + (t * angle).sin() * last) / angle.sin()
    return point


def _styled(model: Model) -> Styled:
    if not supports(model.method, Styled):
        raise UserError(f"{model.name} has no styles: it has one translation for an image")
    return model.method
