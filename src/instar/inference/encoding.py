"""Styles and domains that the networks of a model draw, or read from pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from instar.core.abilities import Clustered, Styled, StyleEncoding, supports
from instar.core.batch import Domain
from instar.core.errors import UserError
from instar.core.raster import Picture
from instar.core.seed import generator
from instar.core.settings import Bounds
from instar.inference.model import Model, without_gradients


@without_gradients()
def drawn_styles(model: Model, count: int, seed: int, to: Domain) -> Tensor:
    """Draw styles (count, S) of a domain, each from a generator of its own: the first ones do not depend on `count`."""
    method = _styled(model)
    Bounds(1).check("count", count)
    Bounds(0).check("seed", seed)
    return torch.cat([method.sample_style(1, generator(seed, number), to=to) for number in range(count)])


@without_gradients()
def encoded_style(model: Model, reference: Picture, domain: Domain) -> Tensor:
    """Return the style (S,) of a picture of a domain, at the size of the training."""
    method = _styled(model)
    if not supports(method, StyleEncoding):
        raise UserError(f"{model.name}: this model has styles, but cannot read one from an image, as it was trained")
    x = model.padded(model.planes([reference], domain, model.trained_at))
    return method.encode_style(x, domain=domain)[0]


@without_gradients()
def domain_probabilities(model: Model, image: Picture) -> Tensor:
    """Return the probabilities (K,) of the domains that the model found, for an image at the size of training."""
    if not supports(model.method, Clustered):
        raise UserError(f"{model.name} has found no domains of its own")
    return model.method.cluster(model.padded(model.planes([image], model.keys.source, model.trained_at)))[0].cpu()


def _styled(model: Model) -> Styled:
    if not supports(model.method, Styled):
        raise UserError(f"{model.name} has no styles: it has one translation for an image")
    return model.method
