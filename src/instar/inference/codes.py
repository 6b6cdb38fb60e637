"""Ways between images in a code that both domains share."""

from __future__ import annotations

import torch
from PIL import ImageOps
from PIL.Image import Image

from instar.core.abilities import Coded, supports
from instar.core.batch import Domain
from instar.core.errors import UserError
from instar.core.raster import Picture
from instar.core.settings import Bounds
from instar.inference.arrays import planes_to_images
from instar.inference.model import Model, without_gradients
from instar.inference.padding import cropped, resized


@without_gradients()
def translations_between(model: Model, image: Picture, other: Picture, domain: Domain, count: int) -> list[Picture]:
    """Return `count` translations into a domain, on the way from the code of one image to that of another."""
    if not supports(model.method, Coded):
        raise UserError(f"{model.name} has no code that both domains share")
    Bounds(2).check("count", count)
    source = model.keys.opposite(domain)
    if isinstance(other, Image):
        other = ImageOps.fit(other, image.size)
    elif other.size != image.size:
        raise UserError(f"the other image is {other.width} x {other.height}, not {image.width} x {image.height}")
    x = torch.cat([model.planes([one], source) for one in (image, other)])
    first, last = model.method.encode(model.padded(x), domain=source).chunk(2)
    steps = torch.linspace(0, 1, count, device=model.device)
    frames = torch.cat([model.method.decode(first.lerp(last, t), to=domain) for t in steps])
    out = resized(cropped(frames, *x.shape[-2:]), image.height, image.width)
    return planes_to_images(out, [image] * count, model.format_of(domain))
