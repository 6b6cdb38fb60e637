"""What is made of each file: one translation or several, strips, attention, landmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

from instar.core.abilities import Styled, supports
from instar.core.events import Listener, ignore
from instar.core.formats import DomainFormat
from instar.core.images import viewable
from instar.core.listing import READ_ONLY, SUFFIXES
from instar.core.metadata import give
from instar.core.modes import holds
from instar.core.raster import Picture
from instar.core.reading import read
from instar.core.stack import Stack
from instar.inference.base import BaseTranslator
from instar.inference.jobs import Naming
from instar.inference.landmark_pictures import marked
from instar.inference.request import ALL, TranslationRequest
from instar.inference.results import Film, Paged, Result, Single
from instar.inference.styles import Style, style_path

if TYPE_CHECKING:
    from instar.inference.landmark_edit import LandmarkEdit

Make = Callable[[list[Any]], Sequence[Result]]
"""Makes results of pictures of one size, or of stacks."""
Images = Callable[..., list[Picture]]
"""Makes images of images of one size; takes `style` (S,)."""
_End = tuple[str, Style]
"""Name and style of an end of a way."""


@dataclass(frozen=True)
class Variant:
    """One of the results for each image.

    Attributes:
        naming: how its file is named.
        make: makes results of images of one size.
        reference: image whose style it takes, if it is one's.
        style: (S,) that it takes, if it is a translation with one of its own.
    """

    naming: Naming
    make: Make
    reference: Path | None = None
    style: Style | None = None


def variants(request: TranslationRequest, model: BaseTranslator, on_event: Listener = ignore) -> list[Variant]:
    """Return what is asked for.

    Args:
        request: says it.
        model: that translates.
        on_event: told of the tiles of large images.

    Raises:
        UserError: the model has no such thing, or an image that is named cannot be read; one line.
    """
    request.check(model.name, model.method)
    model.domain(request.domain)
    images = _images(request, model, on_event)
    found = _translations(request, model, images) or [Variant(Naming(), partial(_pictures, images))]
    form = model.format_of(model.domain(request.domain))
    if not request.interpolate:
        held = frozenset(suffix for suffix in SUFFIXES if _is_written(suffix, form, request))
        found = [replace(one, naming=one.naming._replace(held=held)) for one in found]
    if request.metadata == "keep":
        found = [replace(one, make=partial(_with_metadata, one.make)) for one in found]
    if request.pages == "all":
        paged = partial(_paged, most=request.batch)
        found = [replace(one, make=partial(paged, one.make)) for one in found]
    if request.landmarks:
        edit = _landmark_edit(request, model)
        found.append(Variant(Naming("_landmarks", ".png"), partial(_marked, edit)))
    if request.heatmap:
        found.append(Variant(Naming("_heatmap", ".png"), partial(_overlays, model, request.domain)))
    return found


def _translations(request: TranslationRequest, model: BaseTranslator, images: Images) -> list[Variant]:
    """Return the results that have names of their own; none where a single translation is asked for."""

    def styled(ending: str, style: Style | None, reference: Path | None = None) -> Variant:
        return Variant(Naming(ending), partial(_pictures, partial(images, style=style)), reference, style)

    if request.to == ALL:
        return [styled(f"_domain{number}", model.style_to(str(number))) for number in model.own_domains()]
    if request.interpolate:
        return [_strip(request, model, images, request.interpolate)]
    drawn = model.styles(request.samples, seed=request.seed, to=request.to) if request.samples else ()
    found = [styled(f"_seed{request.seed}-{number}", style) for number, style in enumerate(drawn)]
    likes = [(path, model.style_of(path, request.to)) for path in request.reference]
    return [*found, *(styled(f"_like-{path.stem}", style, path) for path, style in likes)]


def _images(request: TranslationRequest, model: BaseTranslator, on_event: Listener) -> Images:
    """Return what makes images of one size into others, of which only the style is left to choose."""
    style = model.style_to(request.to)
    if request.move or request.source:
        return partial(_landmark_edit(request, model).images, style=style)
    return partial(
        model.images,
        to=request.domain,
        size=request.size,
        seed=request.seed,
        style=style,
        tile=request.tile,
        tile_statistics=request.tile_statistics,
        on_event=on_event,
    )


def _strip(request: TranslationRequest, model: BaseTranslator, images: Images, count: int) -> Variant:
    """Return the way that is asked for: between landmarks, between styles, or in a shared code."""
    form = model.format_of(model.domain(request.domain))
    ends = [(f"like-{path.stem}", read(path)) for path in request.reference]
    if request.towards:
        style = model.style_of(ends[0][1], request.to) if ends else None
        name = "_".join(["_towards-" + request.towards.stem, *(name for name, _ in ends)])
        edit, other = _landmark_edit(request, model), read(request.towards)
        return Variant(Naming(name, ".png"), partial(_landmark_films, edit, other, count, style))
    if supports(model.method, Styled):
        read_off = [(name, model.style_of(image, request.to)) for name, image in ends]
        (start, first), (stop, last) = _ends(request, model, read_off)
        styles = style_path(model, first, last, count)
        return Variant(Naming(f"_{start}-to_{stop}", ".png"), partial(_style_films, images, styles, form))
    ((name, other),) = ends
    return Variant(Naming(f"_to_{name}", ".png"), partial(_code_films, model, other, request.to, count))


def _ends(
    request: TranslationRequest, model: BaseTranslator, given: list[tuple[str, Style]]
) -> list[tuple[str, Style]]:
    """Return the names and styles of both ends: those given, before them style 0, after it a domain's or style 1."""
    if len(given) == 2:
        return given
    first, second = model.styles(2, seed=request.seed, to=request.to)
    own = model.style_to(request.to)
    last = (f"seed{request.seed}-1", second) if own is None else (f"domain{request.to}", own)
    return [(f"seed{request.seed}-0", first), *(given or [last])]


def _pictures(images: Images, batch: list[Picture]) -> list[Single]:
    return [Single(image) for image in images(batch)]


def _with_metadata(make: Make, batch: list[Picture]) -> Sequence[Result]:
    results = make(batch)
    for image, result in zip(batch, results, strict=True):
        if isinstance(result, Single):
            give(image, result.image)
    return results


def _paged(make: Make, batch: list[Picture | Stack], *, most: int) -> Sequence[Result]:
    """Make results of pictures and of all pages of stacks, as many at a time as go through the network together."""
    pages = [page for one in batch for page in (one.pages if isinstance(one, Stack) else (one,))]
    parts = (pages[start : start + most] for start in range(0, len(pages), most))
    made = iter([result for part in parts for result in make(part)])
    return [_of_pages(one, made) for one in batch]


def _of_pages(given: Picture | Stack, made: Iterator[Result]) -> Result:
    if not isinstance(given, Stack):
        return next(made)
    found = [next(made) for _ in given.pages]
    return Paged(replace(given, pages=tuple(one.image for one in found if isinstance(one, Single))))


def _is_written(suffix: str, form: DomainFormat, request: TranslationRequest) -> bool:
    """Tell whether results of a domain are written into files of a suffix."""
    if suffix in READ_ONLY:
        return request.pages == "all" and form.bands == 1
    return form.plain or holds(Path(f"x{suffix}"), form.bands, form.type)


def _style_films(images: Images, styles: Sequence[Style], form: DomainFormat, batch: list[Picture]) -> list[Film]:
    plain = _without_palettes(batch)
    columns = [images(plain, style=style) for style in styles]
    return [_film(frames, form) for frames in zip(*columns, strict=True)]


def _code_films(model: BaseTranslator, other: Picture, to: str | None, count: int, batch: list[Picture]) -> list[Film]:
    ways = (model.between(image, other, to, count=count) for image in batch)
    return [_film(frames, model.format_of(model.domain(to))) for frames in ways]


def _without_palettes(batch: list[Picture]) -> list[Picture]:
    """Return pictures of which translations have all colours: PIL images as for the eye, rasters as they are."""
    return [viewable(image) if isinstance(image, Image.Image) else image for image in batch]


def _film(frames: Sequence[Picture], form: DomainFormat) -> Film:
    return Film([viewable(frame, form) for frame in frames])


def _landmark_films(
    edit: LandmarkEdit, other: Picture, count: int, style: Style | None, batch: list[Picture]
) -> list[Film]:
    """Show how the landmarks of images become those of another one."""
    plain, size = _without_palettes(batch), np.array(batch[0].size, np.float32)
    there = edit.find(ImageOps.fit(viewable(other), batch[0].size) if isinstance(other, Image.Image) else other)
    whole = np.stack([there - edit.find(image) for image in plain]) * 2 / size
    way = (edit.by + whole * np.float32(step / (count - 1)) for step in range(count))
    columns = [edit.draw(plain, by, style)[0] for by in way]
    return [_film(frames, edit.drawn_format) for frames in zip(*columns, strict=True)]


def _marked(edit: LandmarkEdit, batch: list[Picture]) -> Sequence[Result]:
    plain = _without_palettes(batch)
    made, drawn = edit.draw(plain, edit.by, None)
    pairs = zip(plain, made, drawn, strict=True)
    return [
        marked(
            viewable(one, edit.given_format).convert("RGB"),
            viewable(out, edit.drawn_format).convert("RGB"),
            edit.find(one),
            points,
        )
        for one, out, points in pairs
    ]


def _landmark_edit(request: TranslationRequest, model: BaseTranslator) -> LandmarkEdit:
    from instar.inference.landmark_edit import LandmarkEdit  # noqa: PLC0415  (seconds of torch)

    return LandmarkEdit.of(request, model)


def _overlays(model: BaseTranslator, to: str | None, batch: list[Picture]) -> list[Single]:
    from instar.inference.attention import overlay  # noqa: PLC0415  (seconds of torch)

    return [Single(overlay(image, model.attention(image, to), model.format_into(model.domain(to)))) for image in batch]
