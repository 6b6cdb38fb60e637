"""What `instar translate` makes of each image: one translation or several, strips, attention, landmarks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps

from instar.core import registry
from instar.core.abilities import Attentive, Clustered, Coded, Landmarked, Styled
from instar.core.batch import Domain
from instar.core.errors import UserError
from instar.core.images import read, save, viewable
from instar.inference.jobs import Naming
from instar.inference.landmarks import Edit, Marked, marked

if TYPE_CHECKING:
    from torch import Tensor

    from instar.cli.translate import Translate
    from instar.inference.translator import Translator

Images = Callable[..., list[Image.Image]]
"""Makes results of images of one size; takes `style` (S,)."""

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
    images, found = _images(args, model, domain), []
    if args.to == "all":
        for number in model.own_domains():
            found.append(Variant(Naming(f"_domain{number}"), partial(images, style=model.style_to(str(number)))))
    elif args.interpolate:
        found.append(_walk(args, model, domain, images))
    else:
        for number, style in enumerate(model.styles(args.samples, seed=args.seed) if args.samples else ()):
            found.append(Variant(Naming(f"_seed{args.seed}-{number}"), partial(images, style=style)))
        for reference in args.reference:
            style = model.style_of(read(reference), args.to)
            found.append(Variant(Naming(f"_like-{reference.stem}"), partial(images, style=style)))
    if not found:
        found.append(Variant(Naming(), images))
    if args.landmarks:
        found.append(Variant(Naming("_landmarks", ".png"), partial(_marked, Edit.of(args, model, domain))))
    if args.heatmap:
        found.append(Variant(Naming("_heatmap", ".png"), partial(_overlays, model, args.to)))
    return found


def _check(args: Translate, model: Translator) -> None:
    styled, coded = isinstance(model.method, Styled), isinstance(model.method, Coded)
    landmarked = isinstance(model.method, Landmarked)
    asked: dict[str, tuple[Any, bool, Any]] = {
        "samples": (args.samples, styled, Styled),
        "reference": (args.reference, styled or (coded and bool(args.interpolate)), Styled),
        "interpolate": (args.interpolate, styled or coded, (Styled, Coded)),
        "towards": (args.towards, landmarked, Landmarked),
        "move": (args.move, landmarked, Landmarked),
        "from": (args.source, landmarked, Landmarked),
        "landmarks": (args.landmarks, landmarked, Landmarked),
        "heatmap": (args.heatmap, isinstance(model.method, Attentive), Attentive),
    }
    for flag, (given, able, ability) in asked.items():
        if given and not able:
            others = ", ".join(name for name in registry.names() if issubclass(registry.get(name), ability))
            raise UserError(f"--{flag}: {model.name} cannot do that; methods that can: {others}")
    stems = [reference.stem for reference in args.reference]
    if len(set(stems)) < len(stems):
        raise UserError("--reference: results are named after the images; give images of different names")
    if args.towards and not args.interpolate:
        raise UserError("--towards: give also --interpolate N, the number of pictures on the way")
    if args.interpolate:
        _check_way(args, model.name, styled=styled)


def _check_way(args: Translate, name: str, *, styled: bool) -> None:
    """Refuse a way without an end, or with too many."""
    if args.samples:
        raise UserError("--interpolate and --samples: give one of the two; the way leads from style 0 to style 1")
    most = 1 if args.towards or not styled else 2
    if len(args.reference) > most:
        raise UserError(f"--interpolate: give at most {most} --reference here, not {len(args.reference)}")
    if not styled and not args.reference:
        raise UserError(f"--interpolate: {name} needs --reference IMAGE, the picture at the other end of the way")


def _images(args: Translate, model: Translator, domain: Domain) -> Images:
    """Return what makes images of one size into results, of which only the style is left to choose."""
    style = model.style_to(args.to)
    if args.move or args.source:
        return partial(Edit.of(args, model, domain).images, style=style)
    return partial(model.images, to=domain, short_side=args.size, seed=args.seed, style=style)


def _walk(args: Translate, model: Translator, domain: Domain, images: Images) -> Variant:
    """Return the way that --interpolate asks for: between landmarks, between styles, or in a shared code."""
    count, ends = args.interpolate or 0, [(f"like-{path.stem}", read(path)) for path in args.reference]
    if args.towards:
        style = model.style_of(ends[0][1], args.to) if ends else None
        name = "_".join(["_towards-" + args.towards.stem, *(name for name, _ in ends)])
        edit = Edit.of(args, model, domain)
        return Variant(Naming(name, ".png"), partial(_shapes, edit, read(args.towards), count, style))
    if isinstance(model.method, Styled):
        read_off = [(name, model.style_of(image, args.to)) for name, image in ends]
        (start, first), (stop, last) = _ends(args, model, read_off)
        # What is read from images is not normal as a prior is: the way between two of them is straight.
        curve = torch.lerp if isinstance(model.method, Clustered) else slerp
        styles = [curve(first, last, number / (count - 1)) for number in range(count)]
        return Variant(Naming(f"_{start}-to_{stop}", ".png"), partial(_films, images, styles))
    ((name, other),) = ends
    between = partial(model.between, other=other, to=args.to, count=count)
    return Variant(
        Naming(f"_to_{name}", ".png"), lambda batch: [Film([viewable(f) for f in between(one)]) for one in batch]
    )


def _ends(args: Translate, model: Translator, given: list[tuple[str, Tensor]]) -> list[tuple[str, Tensor]]:
    """Return the names and styles of both ends: those given, before them style 0, after it a domain's or style 1."""
    if len(given) == 2:
        return given
    first, second = model.styles(2, seed=args.seed)
    own = model.style_to(args.to)
    last = (f"seed{args.seed}-1", second) if own is None else (f"domain{args.to}", own)
    return [(f"seed{args.seed}-0", first), *(given or [last])]


def _films(images: Images, styles: Sequence[Tensor], batch: list[Image.Image]) -> list[Film]:
    plain = [viewable(image) for image in batch]
    columns = [images(plain, style=style) for style in styles]
    return [Film(list(frames)) for frames in zip(*columns, strict=True)]


def _shapes(edit: Edit, other: Image.Image, count: int, style: Tensor | None, batch: list[Image.Image]) -> list[Film]:
    """Show how the landmarks of images become those of another one."""
    plain, size = [viewable(image) for image in batch], np.array(batch[0].size, np.float32)
    there = edit.find(ImageOps.fit(viewable(other), batch[0].size))
    whole = np.stack([there - edit.find(image) for image in plain]) * 2 / size
    way = (edit.by + whole * np.float32(step / (count - 1)) for step in range(count))
    columns = [edit.draw(plain, by, style)[0] for by in way]
    return [Film(list(frames)) for frames in zip(*columns, strict=True)]


def _marked(edit: Edit, batch: list[Image.Image]) -> list[Marked]:
    plain = [viewable(image) for image in batch]
    made, drawn = edit.draw(plain, edit.by, None)
    pairs = zip(plain, made, drawn, strict=True)
    return [marked(one.convert("RGB"), out.convert("RGB"), edit.find(one), points) for one, out, points in pairs]


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
    return Image.blend(viewable(image).convert("RGB"), Image.fromarray((colours * 255).astype(np.uint8)), 0.5)
