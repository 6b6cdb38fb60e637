"""What `instar translate` makes of each image: one translation, or several by style, strips, maps of attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from instar.cli.jobs import Naming
from instar.core import registry
from instar.core.abilities import Attentive, Clustered, Coded, Styled
from instar.core.batch import Domain
from instar.core.errors import UserError
from instar.core.images import read, save, to_array, to_image, to_tensor

if TYPE_CHECKING:
    from torch import Tensor

    from instar.cli.translate import Translate
    from instar.export.translator import Translator

FRAME_MS = 120
"""Of an animation."""


class Film(NamedTuple):
    """Pictures of one size on the way from one translation to another."""

    frames: list[Image.Image]

    def save(self, path: Path) -> None:
        """Write the frames side by side at `path`, and moving, there and back, beside it as a GIF."""
        width, height = self.frames[0].size
        strip = Image.new("RGB", (width * len(self.frames), height))
        for i, frame in enumerate(self.frames):
            strip.paste(frame, (i * width, 0))
        save(strip, path)
        first, *others = self.frames + self.frames[-2:0:-1]
        part = path.with_name(f".{path.stem}.part")
        try:
            first.save(part, format="GIF", save_all=True, append_images=others, duration=FRAME_MS, loop=0)
            part.replace(path.with_suffix(".gif"))
        finally:
            part.unlink(missing_ok=True)


class Variant(NamedTuple):
    """One of the results for each image: how it is named, and what makes it of images of one size."""

    naming: Naming
    make: Callable[[list[Image.Image]], Any]


def variants(args: Translate, model: Translator, domain: Domain) -> list[Variant]:
    """Return what the flags ask for.

    Raises:
        UserError: the model has no such thing, or the flags do not go together; one line.
    """
    _check(args, model)
    images = partial(model.images, to=domain, short_side=args.size, seed=args.seed, style=model.style_to(args.to))
    found = []
    if args.to == "all":
        for number in model.own_domains():
            found.append(Variant(Naming(f"_domain{number}"), partial(images, style=model.style_to(str(number)))))
    elif args.interpolate:
        found.append(_walk(args, model, domain))
    else:
        for number, style in enumerate(model.styles(args.samples, seed=args.seed) if args.samples else ()):
            found.append(Variant(Naming(f"_seed{args.seed}-{number}"), partial(images, style=style)))
        if args.reference:
            style = model.style_of(read(args.reference), args.to)
            found.append(Variant(Naming(f"_like-{args.reference.stem}"), partial(images, style=style)))
    if not found:
        found.append(Variant(Naming(), images))
    if args.heatmap:
        found.append(Variant(Naming("_heatmap", ".png"), partial(_overlays, model, args.to)))
    return found


def _check(args: Translate, model: Translator) -> None:
    styled, coded = isinstance(model.method, Styled), isinstance(model.method, Coded)
    asked: dict[str, tuple[bool, bool, Any]] = {
        "samples": (bool(args.samples), styled, Styled),
        "reference": (bool(args.reference), styled or (coded and bool(args.interpolate)), Styled),
        "interpolate": (bool(args.interpolate), styled or coded, (Styled, Coded)),
        "heatmap": (args.heatmap, isinstance(model.method, Attentive), Attentive),
    }
    for flag, (given, able, ability) in asked.items():
        if given and not able:
            others = ", ".join(name for name in registry.names() if issubclass(registry.get(name), ability))
            raise UserError(f"--{flag}: {model.name} cannot do that; methods that can: {others}")
    if args.interpolate and args.samples:
        raise UserError("--interpolate and --samples: give one of the two; the way leads from style 0 to style 1")
    if args.interpolate and not styled and not args.reference:
        raise UserError(f"--interpolate: {model.name} needs --reference IMAGE, the picture at the other end of the way")


def _walk(args: Translate, model: Translator, domain: Domain) -> Variant:
    count = args.interpolate or 0
    name = f"_like-{args.reference.stem}" if args.reference else f"_seed{args.seed}-1"
    other = read(args.reference) if args.reference else None
    if not isinstance(model.method, Styled):
        assert other is not None
        between = partial(model.between, other=other, to=args.to, count=count)
        return Variant(
            Naming(f"_to{name}", ".png"), lambda batch: [Film([_plain(f) for f in between(one)]) for one in batch]
        )
    first, second = model.styles(2, seed=args.seed)
    own = model.style_to(args.to)
    last = model.style_of(other, args.to) if other else second if own is None else own
    if own is not None and not other:
        name = f"_domain{args.to}"
    # What is read from images is not normal as a prior is: the way between two of them is straight.
    way = torch.lerp if isinstance(model.method, Clustered) else slerp
    styles = [way(first, last, number / (count - 1)) for number in range(count)]
    return Variant(Naming(f"_seed{args.seed}-0-to{name}", ".png"), partial(_films, model, domain, args.size, styles))


def _films(
    model: Translator, domain: Domain, size: int | None, styles: Sequence[Tensor], batch: list[Image.Image]
) -> list[Film]:
    plain = [_plain(image) for image in batch]
    columns = [model.images(plain, domain, short_side=size, style=style) for style in styles]
    return [Film(list(frames)) for frames in zip(*columns, strict=True)]


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


def _overlays(model: Translator, to: str | None, batch: list[Image.Image]) -> list[Image.Image]:
    return [overlay(image, model.attention(image, to)) for image in batch]


def overlay(image: Image.Image, attention: np.ndarray[Any, Any]) -> Image.Image:
    """Return the image (W x H) under a map (H, W) in [0, 1], from blue (0) over green to red (1)."""
    levels = 4 * attention[..., None] - np.array([3.0, 2.0, 1.0])
    colours = (1.5 - np.abs(levels)).clip(0, 1)
    return Image.blend(_plain(image).convert("RGB"), Image.fromarray((colours * 255).astype(np.uint8)), 0.5)


def _plain(image: Image.Image) -> Image.Image:
    """Return a picture for the eye: 8 bits, without transparency or palette."""
    if image.mode in ("RGB", "L"):
        return image
    return to_image(to_tensor(to_array(image, 3)), Image.new("RGB", image.size))
