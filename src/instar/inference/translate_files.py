"""Translating files and folders: what `instar translate` does, for programs too."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from io import StringIO, TextIOWrapper
from itertools import chain, count
from pathlib import Path
from typing import IO, NamedTuple

from instar.core.config import LARGE, Pages, Precision
from instar.core.errors import Message, Speller, UserError, in_python, setting
from instar.core.events import Event, Listener, Noted, Stop, Worked, ignore, note
from instar.core.files import open_new
from instar.core.formats import DomainFormat
from instar.core.images import clipping_notes
from instar.core.member import File
from instar.core.memory import keep_freed_memory
from instar.core.reading import add_note, read, summed
from instar.core.stack import Stack, read_all
from instar.inference import bulk
from instar.inference.base import BaseTranslator
from instar.inference.batches import pixels_for
from instar.inference.bulk import Inputs, Read, Size
from instar.inference.companions import Finish, finish_of
from instar.inference.contact_sheet import check as check_grid
from instar.inference.contact_sheet import write_grid
from instar.inference.jobs import MANIFEST, Job, collect, is_file
from instar.inference.landmark_pictures import COLUMNS
from instar.inference.load import load
from instar.inference.manifest import Failure, Tally
from instar.inference.request import TranslationRequest
from instar.inference.variants import Variant, variants
from instar.inference.video_jobs import told, values_of, work_videos

LANDMARKS = "landmarks.csv"
WORK = "translating images"


@dataclass(frozen=True)
class TranslationResult:
    """What became of a translation of files.

    Attributes:
        out: folder with the results, or the file of the only one.
        translated: results that were written; there may be several for each input.
        total: results that were asked for.
        failed: those that there are not, each with the input and the reason.
        ignored: files among the inputs that are no images.
        stopped: whether it ended before the last input.
        manifest: file with a line of JSON for each result: input, output, status, width, height, mode, error, note; of
            a video also frames, rate and flicker.
            That of an earlier translation is kept: it is then manifest-2.jsonl. None if `out` is a file.
        landmarks: table of the landmarks, if they were asked for.
        grid: picture of the first inputs with their results, if one was asked for and there are any.
        labels: folder of the label maps, if some were given.
        notes: lines that a user should read.
    """

    out: Path
    translated: int
    total: int
    failed: tuple[Failure, ...]
    ignored: int
    stopped: bool
    manifest: Path | None
    landmarks: Path | None = None
    grid: Path | None = None
    labels: Path | None = None
    notes: tuple[Message, ...] = ()


def translate_files(
    model: BaseTranslator | Path,
    request: TranslationRequest,
    *,
    device: str = "auto",
    precision: Precision = "32",
    on_event: Listener = ignore,
    stop: Stop | None = None,
    spell: Speller = in_python,
    work: Work | None = None,
) -> TranslationResult:
    """Translate files as a request says. What goes wrong with one is noted in the result, and the others go on.

    Args:
        model: a translator, or the directory of a run or of a checkpoint.
        request: which files, and what to make of them.
        device: auto, cpu, cuda or mps; where to load the model.
        precision: 32, bf16 or auto; of a model that is loaded here.
        on_event: told of each result and of the tiles of large images (`Worked`, which says what it counts), and of
            what a user should know (`Noted`).
        stop: asked after each batch; what was begun then is brought to its end.
        spell: how settings are written in the manifest.
        work: does it in place of this process; the model here is only looked at.

    Raises:
        UserError: something is wrong with the request, before anything is written; or the folder cannot be written.
    """
    collect(request.inputs, request.out)  # what is wrong with the inputs is told before seconds of loading
    translator = load(model, device, precision) if isinstance(model, Path) else model
    translator.check_tile(request.tile)
    if translator.computes_on == "cpu":
        keep_freed_memory()
    hear = _Once(on_event)

    def tell(text: str) -> None:
        hear(note(text))

    if translator.precision == "bf16" and not work:
        _tell_if_imitated(translator, tell)
    made = variants(request, translator, hear)

    jobs = collect(request.inputs, request.out, [variant.naming for variant in made], tell)
    if request.grid:
        check_grid(jobs)
    forms = _forms(request, translator)
    videos = [job for job in jobs if job.video]
    values = values_of(request, videos, forms)
    if videos and (line := told(values)):
        tell(line)
    finish = finishing(request, made, translator)
    total = sum(bool(job.output or job.lost) for job in jobs)

    def tick() -> None:
        on_event(Worked(WORK, tally.ok + len(tally.failed), total))

    file = is_file(request.out)
    folder = request.out.parent if file else request.out
    manifest = None if file else _unused(folder / MANIFEST)
    landmarks = _unused(folder / LANDMARKS) if request.landmarks else None
    table = _opened(landmarks) if landmarks else nullcontext()
    with _opened(manifest) if manifest else nullcontext(StringIO()) as lines, table as rows:
        tally = Tally(lines, tick, rows, COLUMNS, spell)
        tick()
        try:
            order = Order(jobs, folder, made, finish, looker(request, translator, hear))
            (work or work_through)(order, tally, request, translator, hear, stop)
        finally:
            tally.flush()
    for line in filter(None, (translator.chosen, *summed(tally.lacking.items()))):
        tell(line)
    return TranslationResult(
        out=request.out,
        translated=tally.ok,
        total=total,
        failed=tuple(tally.failed),
        ignored=tally.ignored,
        stopped=tally.ok + len(tally.failed) < total,
        manifest=manifest,
        landmarks=landmarks,
        grid=_grid(jobs, made, folder, forms, request.pages) if request.grid else None,
        labels=finish.labels_out if request.labels else None,
        notes=tuple(one.text for one in hear.notes),
    )


class _Once:
    """Passes events on, and each note once: many are the same for each image of a size."""

    def __init__(self, hear: Listener) -> None:
        self._hear = hear
        self.notes: list[Noted] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, Noted):
            if event in self.notes:
                return
            self.notes.append(event)
        self._hear(event)


def _tell_if_imitated(translator: BaseTranslator, tell: Callable[[str], None]) -> None:
    from instar.core.device import has_bf16  # noqa: PLC0415  (torch, which exported models do without)

    if has_bf16(translator.computes_on) is False:
        asked = setting("precision", "bf16")
        tell(f"{asked}: this processor has no instructions for it, and takes many times longer")


def _reader(pages: Pages, form: DomainFormat) -> Callable[[File], Read]:
    """Return what reads a file, and notes on it whether values of it are clipped."""
    reader: Callable[[File], Read] = read
    if pages == "all":
        reader = read_all
    elif isinstance(pages, int):
        reader = partial(read, page=pages - 1)

    def loaded(path: File) -> Read:
        image = reader(path)
        said: dict[str, None] = {}
        for page in image.pages if isinstance(image, Stack) else (image,):
            with suppress(UserError):  # other bands: told where it is translated
                said |= dict.fromkeys(clipping_notes(page, form))
        for word in said:
            add_note(image, word)
        return image

    return reader if form.plain else loaded


def _forms(request: TranslationRequest, translator: BaseTranslator) -> tuple[DomainFormat, DomainFormat]:
    """Return what the inputs and the results are."""
    return _given(request, translator), translator.format_of(translator.domain(request.domain))


def _given(request: TranslationRequest, translator: BaseTranslator) -> DomainFormat:
    """Return what the inputs are."""
    source = request.source or translator.source_of(request.domain)
    return translator.format_of(translator.keys.key(source) or translator.keys.source)


def finishing(request: TranslationRequest, made: Sequence[Variant], translator: BaseTranslator) -> Finish:
    """Return what is done with results before they are written. Errors as of `finish_of`."""
    given, result = _forms(request, translator)
    if request.keep_outside and not given.plain and (given.bands, given.type) != (result.bands, result.type):
        kinds = f"inputs of this model are {given.bands} x {given.dtype}, its results {result.bands} x {result.dtype}"
        raise UserError(f"{setting('keep_outside')}: {kinds}: one cannot stand in for the other")
    return finish_of(request, made, given if translator.config.data.masks else None)


class Order(NamedTuple):
    """What is made of which files, and where it goes."""

    jobs: Sequence[Job]
    out: Path
    made: Sequence[Variant]
    finish: Finish
    look: Callable[[Job, Size], None]


Work = Callable[[Order, Tally, TranslationRequest, BaseTranslator, Listener, Stop | None], None]
"""Does what is ordered. What is not done when it is asked to stop is left."""


def work_through(
    order: Order,
    tally: Tally,
    request: TranslationRequest,
    translator: BaseTranslator,
    hear: Listener,
    stop: Stop | None,
) -> None:
    """Translate the images, then the large ones of which windows are read, then the videos."""
    jobs, out, made, finish, look = order
    videos = [job for job in jobs if job.video]
    images, windowed = divided([job for job in jobs if not job.video], request, translator, hear)
    device = translator.computes_on

    def stopped() -> bool:
        return stop is not None and stop.is_set()

    bulk.work(
        images,
        out,
        [variant.make for variant in made],
        tally,
        batch=request.batch,
        pixels=pixels_for(device),
        inputs=Inputs(
            _reader(request.pages, _given(request, translator)),
            request.pages - 1 if isinstance(request.pages, int) else None,
            look,
        ),
        stopped=stopped,
        show=finish.shown,
        finish=finish,
    )
    first = len(images)
    if windowed:
        from instar.inference.translator import Translator  # noqa: PLC0415  (torch)
        from instar.inference.window_jobs import work_windows  # noqa: PLC0415

        assert isinstance(translator, Translator)
        work_windows(
            windowed,
            first,
            out,
            made,
            tally,
            request=request,
            model=translator,
            finish=finish,
            hear=hear,
            stopped=stopped,
        )
    first += len(windowed)
    values = values_of(request, videos, _forms(request, translator))
    work_videos(videos, first, out, made, tally, values, request=request, device=device, hear=hear, stopped=stopped)


def divided(
    jobs: list[Job], request: TranslationRequest, translator: BaseTranslator, hear: Listener = ignore
) -> tuple[list[Job], list[Job]]:
    """Return the jobs that are read as a whole, and those that are translated window by window."""
    if not translator.reads_windows:
        return jobs, []
    from instar.inference import window_jobs  # noqa: PLC0415
    from instar.inference.translator import Translator  # noqa: PLC0415  (torch)

    assert isinstance(translator, Translator)
    return window_jobs.divided(jobs, request, translator, translator.domain(request.domain), hear)


def _grid(
    jobs: Sequence[Job], made: Sequence[Variant], out: Path, forms: tuple[DomainFormat, DomainFormat], pages: Pages
) -> Path | None:
    namings, references = [variant.naming for variant in made], [variant.reference for variant in made]
    return write_grid(jobs, namings, references, out, forms, pages)


def looker(request: TranslationRequest, translator: BaseTranslator, hear: Listener) -> Callable[[Job, Size], None]:
    """Return a function that names `size` once, at the first image far larger than those of the training."""
    trained = None if request.size else translator.config.data.short_side
    told = trained is None

    def look(job: Job, size: Size) -> None:
        nonlocal told
        if not told and trained is not None and min(size) > LARGE * trained:
            told = True
            hear(
                note(
                    f"{job.source} is {size[0]} x {size[1]}, the model was trained on images of short side "
                    f"{trained}; if the results disappoint, try {setting('size', trained)}"
                )
            )

    return look


def _unused(path: Path) -> Path:
    """Return `path`, or the first of path-2, path-3 and so on that there is not."""
    names = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return next(name for name in chain([path], names) if not os.path.lexists(name))


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = TextIOWrapper(open_new(path), encoding="utf-8", errors="surrogateescape", newline="\n")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    with file:
        yield file
