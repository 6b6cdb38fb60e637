"""Translating many files: batches of equal size, decoding and saving beside the network."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from instar.core.errors import UserError, setting
from instar.core.member import File
from instar.core.raster import Picture
from instar.core.reading import UnreadableImage, notes, probe
from instar.core.stack import Stack
from instar.inference.batches import SizeAndVariant, chunks
from instar.inference.jobs import Job
from instar.inference.manifest import Tally
from instar.inference.results import Result

THREADS = 4
"""That decode and save."""
WINDOW = 64
"""Files among which images of equal size are looked for. At most three batches are in memory: read, translated,
saved."""

Size = tuple[int, int]
Read = Picture | Stack
"""What a file holds."""
Network = Callable[[list[Any]], Sequence[Result]]
"""Makes results of images of one size."""
_Loaded = tuple[int, Read]
"""An image behind the number of its job."""


@dataclass(frozen=True)
class Inputs:
    """How files are read.

    Attributes:
        load: reads one.
        page: of which the size counts, from 0; the first if None.
        look: shown each image's size beforehand.
    """

    load: Callable[[File], Read]
    page: int | None
    look: Callable[[Job, Size], None]


def work(  # noqa: PLR0913  (what is read, translated and written, and who is told)
    jobs: Sequence[Job],
    out: Path,
    networks: Sequence[Network],
    tally: Tally,
    *,
    batch: int,
    pixels: int,
    inputs: Inputs,
    stopped: Callable[[], bool],
    show: Callable[[Job, Read], Read] = lambda job, image: image,
    finish: Callable[[Job, Read, Result], Result] = lambda job, image, result: result,
) -> None:
    """Translate all jobs. What goes wrong with an image is noted, and the others go on.

    Args:
        jobs: in the order of the manifest.
        out: folder for the results.
        networks: for each variant, makes results of images of one size.
        tally: told what became of each job.
        batch: most images that go through the network together.
        pixels: most pixels that do, unless one image alone has more.
        inputs: how they are read.
        stopped: asked after each batch; what was read, translated or written then is brought to its end.
        show: makes of a job and its image what the network sees.
        finish: makes of a job, its image and its result what is written.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        batches = (part for sizes in _sizes(pool, jobs, tally, inputs) for part in chunks(sizes, batch, pixels))
        written: list[_Written] = []
        for loaded in _loaded(pool, batches, jobs, tally, inputs.load):
            network = networks[jobs[loaded[0][0]].variant]

            def shown(given: list[_Loaded], network: Network = network) -> Sequence[Result]:
                return network([show(jobs[number], image) for number, image in given])

            results = _translated(shown, loaded)
            _settle(written, jobs, tally)  # the batch before, which was written meanwhile
            written = []
            for (number, image), result in zip(loaded, results, strict=True):
                if isinstance(result, str):
                    tally.fail(number, jobs[number], result, image)
                else:
                    future = pool.submit(_finished, finish, jobs[number], image, result, out)
                    written.append(_Written(number, image, future, result.rows(jobs[number].source)))
            if stopped():
                break
        _settle(written, jobs, tally)


class _Written(NamedTuple):
    number: int
    image: Read
    future: Future[tuple[str, ...]]
    rows: Iterable[Sequence[object]]


def _sizes(
    pool: ThreadPoolExecutor,
    jobs: Sequence[Job],
    tally: Tally,
    inputs: Inputs,
) -> Iterator[dict[int, SizeAndVariant]]:
    """Yield width, height and variant by number for a window's images. What is no image by its header ends here."""
    for start in range(0, len(jobs), WINDOW):
        window = list(enumerate(jobs[start : start + WINDOW], start))
        probed = pool.map(lambda job: _size(job[1], inputs.page), window)
        sizes = {}
        for (number, job), size in zip(window, probed, strict=True):
            if job.lost:
                tally.fail(number, job, job.lost)
            elif size is None:
                tally.ignore(number, job)
            elif isinstance(size, str):
                tally.fail(number, job, size)
            else:
                inputs.look(job, size)
                sizes[number] = (*size, job.variant)
        yield sizes


def _size(job: Job, page: int | None) -> Size | str | None:
    if not job.output:
        return None
    try:
        return probe(job.file, page)[:2]
    except UnreadableImage as error:
        return error.reason


def _loaded(
    pool: ThreadPoolExecutor,
    batches: Iterator[list[int]],
    jobs: Sequence[Job],
    tally: Tally,
    load: Callable[[File], Read],
) -> Iterator[list[tuple[int, Read]]]:
    """Yield decoded batches; while one is in use, the next one is being read."""
    reading: list[tuple[int, Future[Read]]] = []
    for numbers in batches:
        following = [(number, pool.submit(load, jobs[number].file)) for number in numbers]
        yield from _read(reading, jobs, tally)
        reading = following
    yield from _read(reading, jobs, tally)


def _read(
    reading: list[tuple[int, Future[Read]]], jobs: Sequence[Job], tally: Tally
) -> Iterator[list[tuple[int, Read]]]:
    images = []
    for number, future in reading:
        try:
            images.append((number, future.result()))
        except Exception as error:  # as in `_translated`
            reason = _unread(error)
            tally.fail(number, jobs[number], reason)
    reading.clear()  # the futures hold the pixels
    if images:
        yield images


def _unread(error: Exception) -> str:
    if isinstance(error, UnreadableImage):
        return error.reason
    return error.message.raw if isinstance(error, UserError) else type(error).__name__


def _translated(network: Callable[[list[_Loaded]], Sequence[Result]], images: list[_Loaded]) -> Sequence[Result | str]:
    """Return the results, or why there is none.

    If a batch fails, its images go one by one: together they may be too much for the memory, or one of them is
    turned by EXIF data that its header does not show, so that the sizes are unequal.
    """
    try:
        return network(images)
    except Exception as error:  # one image must not end a job of thousands
        reason = _reason(error, images[0][1])
    # Outside the handler, whose traceback would keep the tensors of the failed attempt.
    return [reason] if len(images) == 1 else [one for image in images for one in _translated(network, [image])]


def _finished(
    finish: Callable[[Job, Read, Result], Result], job: Job, image: Read, result: Result, out: Path
) -> tuple[str, ...]:
    return finish(job, image, result).save(out / job.output)


def _settle(written: list[_Written], jobs: Sequence[Job], tally: Tally) -> None:
    for number, image, future, rows in written:
        error = future.exception()
        if error is None:
            tally.done(number, jobs[number], image, rows, [*notes(image), *future.result()])
        else:
            tally.fail(number, jobs[number], _reason(error, image), image)


def _reason(error: BaseException, image: Read) -> str:
    message = " ".join(str(error).split())
    torch = sys.modules.get("torch")
    on_gpu = torch is not None and isinstance(error, torch.OutOfMemoryError)
    memory = on_gpu or isinstance(error, MemoryError)
    if memory or any(words in message.lower() for words in ("out of memory", "can't allocate memory")):
        remedy = f"set {setting('tile', 'auto')} or a lower {setting('size')}"
        remedy += f", or {setting('device', 'cpu')}" if on_gpu or message.startswith("MPS") else ""
        return f"out of memory at {image.width} x {image.height}; {remedy}"
    if isinstance(error, UserError):
        return " ".join(error.message.raw.split())
    return f"{type(error).__name__}: {message}"
