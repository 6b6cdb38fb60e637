"""Where a model looks in an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as nnf

from instar.core.abilities import Attentive, supports
from instar.core.batch import Domain
from instar.core.errors import UserError
from instar.core.formats import DomainFormat
from instar.core.images import viewable
from instar.core.raster import Picture
from instar.inference.model import Model, without_gradients
from instar.inference.padding import cropped


@without_gradients()
def attention_map(model: Model, image: Picture, domain: Domain) -> NDArray[np.float32]:
    """Return where the model looks in an image (W x H) that it translates into a domain: (H, W) in [0, 1]."""
    if not supports(model.method, Attentive):
        raise UserError(f"{model.name} has no map of its attention")
    x = model.planes([image], model.keys.opposite(domain))
    planes = model.padded(x)
    maps = model.method.attention(planes, to=domain)[:, None].float()
    whole = cropped(nnf.interpolate(maps, planes.shape[-2:], mode="bilinear"), *x.shape[-2:])
    if whole.shape[-2:] != (image.height, image.width):
        whole = nnf.interpolate(whole, (image.height, image.width), mode="bilinear")
    return whole[0, 0].clamp(0, 1).cpu().numpy()


def overlay(image: Picture, attention: NDArray[Any], form: DomainFormat | None = None) -> Image.Image:
    """Return the image (W x H) under a map (H, W) in [0, 1], from blue (0) over green to red (1)."""
    levels = 4 * attention[..., None] - np.array([3.0, 2.0, 1.0])
    colours = (1.5 - np.abs(levels)).clip(0, 1)
    return Image.blend(viewable(image, form).convert("RGB"), Image.fromarray((colours * 255).astype(np.uint8)), 0.5)
