"""Translating files and folders: what `instar translate` does, for programs too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from instar.core.config import LARGE
from instar.core.errors import Message, Speller, UserError, in_python, setting
from instar.core.events import Event, Listener, Noted, Stop, Worked, ignore, note
from instar.inference.batches import pixels_for
from instar.inference.bulk import Size, work
from instar.inference.contact_sheet import check as check_grid
from instar.inference.contact_sheet import write_grid
from instar.inference.jobs import MANIFEST, Job, collect
from instar.inference.landmark_pictures import COLUMNS
from instar.inference.manifest import Failure, Tally
from instar.inference.request import TranslationRequest
from instar.inference.translator import Translator
from instar.inference.variants import Variant, variants

LANDMARKS = "landmarks.csv"
WORK = "translating images"


@dataclass(frozen=True)
class TranslationResult:
    """What became of a translation of files.

    Attributes:
        out: folder with the results.
        translated: results that were written; there may be several for each input.
        total: results that were asked for.
        failed: those that there are not, each with the input and the reason.
        ignored: files among the inputs that are no images.
        stopped: whether it ended before the last input.
        manifest: file with a line of JSON for each result: input, output, status, width, height, mode, error.
        landmarks: table of the landmarks, if they were asked for.
        grid: picture of the first inputs with their results, if one was asked for and there are any.
        notes: lines that a user should read.
    """

    out: Path
    translated: int
    total: int
    failed: tuple[Failure, ...]
    ignored: int
    stopped: bool
    manifest: Path
    landmarks: Path | None = None
    grid: Path | None = None
    notes: tuple[Message, ...] = ()


def translate_files(
    model: Translator | Path,
    request: TranslationRequest,
    *,
    device: str = "auto",
    on_event: Listener = ignore,
    stop: Stop | None = None,
    spell: Speller = in_python,
) -> TranslationResult:
    """Translate files as a request says. What goes wrong with one is noted in the result, and the others go on.

    Args:
        model: a translator, or the directory of a run or of a checkpoint.
        request: which files, and what to make of them.
        device: auto, cpu, cuda or mps; where to load the model.
        on_event: told of each result and of the tiles of large images (`Worked`, which says what it counts), and of
            what a user should know (`Noted`).
        stop: asked after each batch; what was begun then is brought to its end.
        spell: how settings are written in the manifest.

    Raises:
        UserError: something is wrong with the request, before anything is written; or the folder cannot be written.
    """
    collect(request.inputs, request.out)  # what is wrong with the inputs is told before seconds of loading
    translator = model if isinstance(model, Translator) else Translator.load(model, device)
    notes: list[Noted] = []

    def hear(event: Event) -> None:
        if isinstance(event, Noted):
            if event in notes:  # the same for each image of a size
                return
            notes.append(event)
        on_event(event)

    made = variants(request, translator, hear)
    jobs = collect(request.inputs, request.out, [variant.naming for variant in made])
    if request.grid:
        check_grid(jobs)
    total = sum(bool(job.output) for job in jobs)

    def tick() -> None:
        on_event(Worked(WORK, tally.ok + len(tally.failed), total))

    table = _opened(request.out / LANDMARKS) if request.landmarks else nullcontext()
    with _opened(request.out / MANIFEST) as lines, table as rows:
        tally = Tally(lines, tick, rows, COLUMNS, spell)
        tick()
        try:
            work(
                jobs,
                request.out,
                [variant.make for variant in made],
                tally,
                batch=request.batch,
                pixels=pixels_for(translator.device.type),
                look=_looker(None if request.size else translator.config.data.short_side, hear),
                stopped=stop.is_set if stop else lambda: False,
            )
        finally:
            tally.flush()
    return TranslationResult(
        out=request.out,
        translated=tally.ok,
        total=total,
        failed=tuple(tally.failed),
        ignored=tally.ignored,
        stopped=tally.ok + len(tally.failed) < total,
        manifest=request.out / MANIFEST,
        landmarks=request.out / LANDMARKS if request.landmarks else None,
        grid=_grid(jobs, made, request.out) if request.grid else None,
        notes=tuple(one.text for one in notes),
    )


def _grid(jobs: Sequence[Job], made: Sequence[Variant], out: Path) -> Path | None:
    return write_grid(jobs, [variant.naming for variant in made], [variant.reference for variant in made], out)


def _looker(trained: int | None, hear: Listener) -> Callable[[Job, Size], None]:
    """Return a function that names `size` once, at the first image far larger than the `trained` short side."""
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


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    with file:
        yield file
