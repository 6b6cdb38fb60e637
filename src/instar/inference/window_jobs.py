"""Large TIFFs that are translated in tiles, of which only windows are read and written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from instar.core.batch import Domain
from instar.core.errors import UserError, setting
from instar.core.events import Event, Listener, note
from instar.core.files import temporary_beside
from instar.core.formats import DomainFormat
from instar.core.images import clipping_notes
from instar.core.metadata import give, saved_with
from instar.core.raster import Header, NotRead, Picture
from instar.core.rasters import as_raster
from instar.core.reading import bytes_to_read, too_large
from instar.core.samples import pages_lost
from instar.core.windows import LARGE_FILE, TiffWindows, TiffWriting, open_windows
from instar.inference.arrays import images_to_planes, planes_to_images
from instar.inference.companions import Finish, WindowedMask
from instar.inference.fitting import PIXEL_BYTES, Fitting
from instar.inference.jobs import Job
from instar.inference.manifest import Tally
from instar.inference.request import TranslationRequest
from instar.inference.tiles.pixels import Box
from instar.inference.tiles.whole import gigabytes
from instar.inference.translator import Translator
from instar.inference.variants import Variant

SUFFIXES = (".tif", ".tiff")
WHOLE = ("size", "interpolate", "landmarks", "heatmap", "move", "source")
"""Settings of what needs the image as a whole."""


class _Stopped(Exception):  # noqa: N818 (no fault)
    """It was asked to stop within an image."""


def divided(
    jobs: Sequence[Job], request: TranslationRequest, model: Translator, to: Domain, hear: Listener
) -> tuple[list[Job], list[Job]]:
    """Return the jobs that are read as a whole, and those that are translated window by window.

    What is too large to be read, and could be read in windows, is among the former with that advice. What is read as a
    whole only because of a setting is told.
    """
    needing = next((name for name in WHOLE if getattr(request, name)), None)
    whole: list[Job] = []
    windowed: list[Job] = []
    fitting = Fitting(request.tile)
    for job in jobs:
        windows = _windows(job, request)
        if windows is None:
            whole.append(job)
            continue
        with windows:
            header = windows.header
        if model.needs_tiles(header.height, header.width, to, fitting):
            (whole if needing else windowed).append(job)
            if needing:
                hear(note(_read_whole(job, header, setting(needing, getattr(request, needing)))))
        elif request.tile is None and (reason := too_large(header)):
            whole.append(job._replace(lost=f"{reason}; set {setting('tile', 'auto')}"))
        else:
            whole.append(job)
    return whole, windowed


def _read_whole(job: Job, header: Header, needing: str) -> str:
    pages = f", {header.pages} pages" * (header.pages > 1)
    taken = max(bytes_to_read(header), PIXEL_BYTES * header.width * header.height)
    size = f"{header.width} x {header.height} px{pages}"
    return f"{job.source} ({size}) is read as a whole, for {needing}: about {gigabytes(taken)} of memory"


def _windows(job: Job, request: TranslationRequest) -> TiffWindows | None:
    """Open the first page of what may be translated in windows."""
    source = Path(job.source)
    tiff = all(Path(name).suffix.lower() in SUFFIXES for name in (job.source, job.output))
    if not tiff or job.member or job.lost or not source.is_file():
        return None
    if request.tile is None and source.stat().st_size < LARGE_FILE:
        return None
    first = open_windows(source, _page(request))
    if first and request.pages == "all" and not _are_alike(first.header, source):
        with first:
            return None
    return first


def _are_alike(header: Header, source: Path) -> bool:
    """Tell whether all pages of a file are what the first one is, and can be read by windows."""
    for number in range(1, header.pages):
        page = open_windows(source, number)
        if page is None:
            return False
        with page:
            if page.header != header:
                return False
    return True


def _page(request: TranslationRequest) -> int:
    return request.pages - 1 if isinstance(request.pages, int) else 0


@dataclass
class _Translation:
    """One image from file to file: a page, or all of them one after the other.

    Attributes:
        windows: of the page of the input that is translated.
        part: file of the result until it is whole.
        out: file of the result.
        source: what the input is.
        form: of the result.
        keep: whether what the input says of itself goes into the result.
        mask: outside of which the result is the input, if there is one.
        pages: how many the result has.
        stack: closes the result.
        notes: what could not be kept.
        page: number of that which is translated, in the result.
        writing: the result, once there is a part of it.
    """

    windows: TiffWindows
    part: Path
    out: Path
    source: DomainFormat
    form: DomainFormat
    keep: bool
    mask: WindowedMask | None
    pages: int
    stack: ExitStack
    notes: dict[str, None] = field(default_factory=dict)
    page: int = 0
    writing: TiffWriting | None = None

    @property
    def shape(self) -> torch.Size:
        """(1, C, H, W)."""
        return torch.Size((1, self.source.channels, self.windows.header.height, self.windows.header.width))

    def window(self, box: Box) -> Tensor:
        """Read a part."""
        picture = self._picture(box)
        if self.mask:
            picture = self.mask.shown(picture, box.top, box.left)
        self.notes |= dict.fromkeys(clipping_notes(picture, self.source))
        return torch.from_numpy(images_to_planes([picture], self.source, box.height, box.width))

    def write(self, box: Box, part: Tensor) -> None:
        """Write a part of the result."""
        given = self._picture(box)
        (made,) = planes_to_images(part, [given], self.form, self.source)
        if self.keep:
            give(given, made)
        if self.mask:
            made = self.mask.kept(given, made, box.top, box.left)
        if self.writing is None:
            self.writing = self.stack.enter_context(self._begun(made))
        self.writing.write(box.top, box.left, made, self.page)

    def _begun(self, like: Picture) -> TiffWriting:
        raster = as_raster(like)
        told, lost = saved_with(raster, self.out)
        options = {"icc_profile": like.info.get("icc_profile"), **told}
        self.notes |= dict.fromkeys(lost)
        return TiffWriting(self.part, (self.shape[-2], self.shape[-1]), raster, options, self.pages)

    def _picture(self, box: Box) -> Picture:
        try:
            return self.windows.window(box.top, box.left, box.bottom, box.right)
        except NotRead as error:
            raise UserError(str(error)) from error


def work_windows(  # noqa: PLR0913  (what `work` takes, for another kind of job)
    jobs: Sequence[Job],
    first: int,
    out: Path,
    made: Sequence[Variant],
    tally: Tally,
    *,
    request: TranslationRequest,
    model: Translator,
    finish: Finish,
    hear: Listener,
    stopped: Callable[[], bool],
) -> None:
    """Translate large TIFFs one by one. What goes wrong with one is noted, and the others go on.

    Args:
        jobs: from `divided`.
        first: number of the first in the manifest.
        out: folder for the results.
        made: the variants.
        tally: told what became of each.
        request: says how.
        model: that translates.
        finish: says what is kept of the inputs, and copies label maps.
        hear: told what an image takes and how far it is.
        stopped: asked after each tile; an image that is not at its end then is not written.
    """

    def heard(event: Event) -> None:
        if stopped():
            raise _Stopped
        hear(event)

    for number, job in enumerate(jobs, first):
        if stopped():
            return
        try:
            facts, notes = _translated(job, out / job.output, made[job.variant], request, model, finish, heard)
        except _Stopped:
            return
        except Exception as error:  # one image must not end a job of thousands
            reason = error.message.raw if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            tally.fail(number, job, " ".join(reason.split()))
        else:
            tally.done_file(number, job, facts, notes)


def _opened(job: Job, page: int) -> TiffWindows:
    windows = open_windows(Path(job.source), page)
    if windows is None:
        raise UserError("it was changed meanwhile")
    return windows


def _translated(
    job: Job,
    out: Path,
    variant: Variant,
    request: TranslationRequest,
    model: Translator,
    finish: Finish,
    hear: Listener,
) -> tuple[dict[str, Any], list[str]]:
    """Translate a file, and return what is to be known of it and what could not be kept."""
    to = model.domain(request.domain)
    first = _opened(job, _page(request))
    header, mode = first.header, first.mode
    pages = header.pages if request.pages == "all" else 1
    out.parent.mkdir(parents=True, exist_ok=True)
    part = temporary_beside(out)
    style = model.style_to(request.to) if variant.style is None else variant.style
    drawn = None if style is None else torch.as_tensor(style)
    try:
        with ExitStack() as stack:
            stack.enter_context(first)
            mask = finish.of_windows(job, (header.width, header.height), pages)
            if mask:
                stack.enter_context(mask)
            source, form, keep = model.format_into(to), model.format_of(to), request.metadata == "keep"
            one = _Translation(first, part, out, source, form, keep, mask, pages, stack)
            fitting = Fitting(request.tile, hear, request.tile_statistics)
            for one.page in range(pages):
                if one.page:
                    one.windows = stack.enter_context(_opened(job, one.page))
                if mask:
                    mask.turn_to(one.page)
                model.translate_windows(one, to, one.write, seed=request.seed, style=drawn, fitting=fitting)
            facts = {"width": header.width, "height": header.height, "mode": mode}
            facts |= {"pages": pages} if pages > 1 else {}
            lost = pages_lost(header.pages) if request.pages == "first" else []
        part.replace(out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return facts, [*lost, *one.notes]
