"""Translating files with a trained model, and reading their styles."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from instar.api.paths import AnyPath, Paths
from instar.core.errors import UserError, setting
from instar.core.events import Listener, Stop, ignore

if TYPE_CHECKING:
    from instar.core.config import Precision
    from instar.inference.base import BaseTranslator
    from instar.inference.style_table import StyleTable
    from instar.inference.translate_files import TranslationResult


def translate(  # noqa: PLR0913  (one for each setting of a request, as the command line has flags)
    run: AnyPath | BaseTranslator,
    inputs: Paths,
    out: AnyPath,
    *,
    to: str | None = None,
    size: int | None = None,
    tile: int | Literal["auto"] | None = None,
    tile_statistics: Literal["exact", "approximate"] = "exact",
    batch: int = 8,
    device: str = "auto",
    precision: Precision = "32",
    seed: int = 0,
    samples: int | None = None,
    reference: Paths = (),
    interpolate: int | None = None,
    towards: AnyPath | None = None,
    move: str | Sequence[str] = (),
    source: str | None = None,
    landmarks: bool = False,
    heatmap: bool = False,
    grid: bool = False,
    pages: int | Literal["all", "first"] = "first",
    video_range: tuple[float, float] | None = None,
    metadata: Literal["strip", "keep"] = "strip",
    keep_outside: AnyPath | None = None,
    labels: AnyPath | None = None,
    ray: str | None = None,
    on_event: Listener | None = None,
    stop: Stop | None = None,
) -> TranslationResult:
    """Translate files: each gives one of the same name, size, depth, mode and format.

    What goes wrong with a file is told in the result, and the others go on.

    Args:
        run: directory of a run (its last checkpoint is used) or of one checkpoint, or a model from `load`.
        inputs: images, videos, folders of images with all their subfolders, or patterns such as "photos/**/*.jpg";
            tables and tars of images.
        out: folder for the results; manifest.jsonl in it has a line for every input. Or, for one result, its file, such
            as "out.png".
        to: domain to translate into, by name; the target of the training if None. TUNIT's own domains have numbers
            from 0; "all" gives cat_domain0.png, cat_domain1.png, ...
        size: short side at which the network works; results are resized back. The images' own size if None.
        tile: translate images with more pixels than a square of this side in parts of so many: any size in little
            memory. Norms take their statistics from the whole image, so that the result is that of the whole. "auto"
            does so where the memory is too small for the whole.
        tile_statistics: of norms in tiles: "exact" keeps features of the whole image in memory or on disk;
            "approximate" takes the statistics of the image made smaller, in memory that does not grow with the image,
            and says how far the result is off.
        batch: most images of one size that go through the network together.
        device: auto, cpu, cuda or mps; where to load the model, if it is not loaded yet.
        precision: 32, bf16 or auto, of a model that is not loaded yet: bf16 takes half of the time where the device has
            it, and changes results a little (see docs/translating.md); auto takes it there, if the first image is close
            to that of float32.
        seed: of the model's noise or style, if it has any.
        samples: styles drawn for each image, the same ones for all: cat_seed0-0.png, cat_seed0-1.png, ...
        reference: images of the domain translated into, whose styles results take: cat_like-NAME.png.
        interpolate: pictures on the way from one style to another, or to that of `reference`, or between those of two
            references: a strip as PNG, moving as GIF. For methods with a shared code instead of styles: the way from
            each image to `reference`.
        towards: image of the inputs' domain to whose landmarks `interpolate` leads, while the appearance stays.
        move: landmarks of the inputs to move before they are translated, "NUMBER:RIGHT,DOWN" in half sides of the
            image, such as "7:+0.1,-0.05".
        source: domain of the inputs, for methods with landmarks; the other than `to` if None. If it is the same,
            images are not translated but drawn anew in their own domain.
        landmarks: write also the landmarks, over input and output in cat_landmarks.png, and in landmarks.csv.
        heatmap: write also where the model looks, laid over the input: cat_heatmap.png.
        grid: write also grid.png: the first 20 inputs, a row for each, with all their results; with all pages, the
            first 20 pages.
        pages: of files of several pages or frames (TIFF, GIF, APNG, WebP): "all", which gives files of as many, with
            their times; "first"; or the number of one, from 1.
        video_range: values of the inputs' domain that are black and white in videos, such as (0, 4095); the ends of the
            range of the domain if None. For models of other values than 8 or 16 bits of gray or colour.
        metadata: "strip" leaves out EXIF data (place, date, camera), XMP data, resolution and georeference of the
            inputs, "keep" puts them into results whose format can hold them. Colour profiles are always kept.
        keep_outside: folder of masks, of the names of the inputs: where a mask is black the result is the input, bit
            for bit; gray mixes both. Of pages each has its own, or one is for all.
        labels: folder of label maps, of the names of the inputs: each is copied, for each result under its name, into a
            folder beside the results, such as "translated_labels".
        ray: translate by all machines of a Ray cluster: "auto", "HOST:PORT", "ray://HOST:PORT", or "local" for this
            machine alone. The results are the same. Called again, it does only what is missing.
        on_event: told of each result, of the frames of videos and the tiles of large images (`Worked`, which says what
            it counts), and of what a user should know (`Noted`).
        stop: asked after each batch; what was begun then is brought to its end. A `threading.Event` is one.

    Raises:
        UserError: something is wrong with the settings, the model or the inputs, and nothing was written; or the
            folder cannot be written.
    """
    from instar.inference.request import TranslationRequest

    request = TranslationRequest(
        inputs=_texts(inputs),
        out=Path(out),
        to=to,
        size=size,
        tile=tile,
        tile_statistics=tile_statistics,
        batch=batch,
        seed=seed,
        samples=samples,
        reference=tuple(map(Path, _texts(reference))),
        interpolate=interpolate,
        towards=None if towards is None else Path(towards),
        move=_texts(move),
        source=source,
        landmarks=landmarks,
        heatmap=heatmap,
        grid=grid,
        pages=pages,
        video_range=video_range,
        metadata=metadata,
        keep_outside=None if keep_outside is None else Path(keep_outside),
        labels=None if labels is None else Path(labels),
    )
    model, listen = _model(run), ignore if on_event is None else on_event
    if ray:
        from instar.cluster.translating import translate_on_cluster

        if not isinstance(model, Path):
            raise UserError(f"{setting('ray')}: give the directory of the run, which each machine loads itself")
        return translate_on_cluster(model, request, ray, device=device, precision=precision, on_event=listen, stop=stop)
    from instar.inference.translate_files import translate_files

    return translate_files(model, request, device=device, precision=precision, on_event=listen, stop=stop)


def styles(
    run: AnyPath | BaseTranslator,
    inputs: Paths,
    out: AnyPath | None = None,
    *,
    to: str | None = None,
    device: str = "auto",
    on_event: Listener | None = None,
    stop: Stop | None = None,
) -> StyleTable:
    """Read the styles of images, and of a model that found domains the probability of each.

    Args:
        run: directory of a run (its last checkpoint is used) or of one checkpoint, or a model from `load`.
        inputs: images, folders with all their subfolders, or patterns such as "photos/**/*.jpg".
        out: file for the table, .csv or .npz; none is written if None.
        to: domain of the images, for methods with two, by name; the target of the training if None.
        device: auto, cpu, cuda or mps; where to load the model, if it is not loaded yet.
        on_event: told of each image (`Worked`).
        stop: asked after each image; the table then has those that were reached.

    Raises:
        UserError: the model has no styles, an input is missing, no image can be read, or the table cannot be written.
    """
    from instar.inference.style_table import check_suffix, read_styles

    if out is not None:
        check_suffix(Path(out))
    table = read_styles(
        _model(run), _texts(inputs), to=to, device=device, on_event=ignore if on_event is None else on_event, stop=stop
    )
    if out is not None:
        table.save(Path(out))
    return table


def _model(run: AnyPath | BaseTranslator) -> Path | BaseTranslator:
    return Path(run) if isinstance(run, (str, PathLike)) else run


def _texts(given: Paths) -> tuple[str, ...]:
    return tuple(fspath(one) for one in ([given] if isinstance(given, (str, PathLike)) else given))
