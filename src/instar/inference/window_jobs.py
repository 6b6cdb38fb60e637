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
from instar.core.events import Event, Listener
from instar.core.files import temporary_beside
from instar.core.formats import DomainFormat
from instar.core.images import clipped_share
from instar.core.metadata import CHANNELS, give, saved_with
from instar.core.raster import NotRead, Picture, Raster
from instar.core.rasters import as_raster
from instar.core.reading import too_large
from instar.core.samples import pages_lost
from instar.core.windows import TiffWindows, TiffWriting, open_windows
from instar.inference.arrays import images_to_planes, planes_to_images
from instar.inference.fitting import Fitting
from instar.inference.jobs import Job
from instar.inference.manifest import Tally
from instar.inference.request import TranslationRequest
from instar.inference.tiles.pixels import Box
from instar.inference.translator import Translator
from instar.inference.variants import Variant

SUFFIXES = (".tif", ".tiff")
LARGE_FILE = 2**26
"""Bytes from which on a file is asked whether it can be read as a whole."""


class _Stopped(Exception):  # noqa: N818 (no fault)
    """It was asked to stop within an image."""


def divided(
    jobs: Sequence[Job], request: TranslationRequest, model: Translator, to: Domain
) -> tuple[list[Job], list[Job]]:
    """Return the jobs that are read as a whole, and those that are translated window by window.

    What is too large to be read, and could be read in windows, is among the former with that advice.
    """
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
            windowed.append(job)
        elif request.tile is None and (reason := too_large(header)):
            whole.append(job._replace(lost=f"{reason}; set {setting('tile', 'auto')}"))
        else:
            whole.append(job)
    return whole, windowed


def _windows(job: Job, request: TranslationRequest) -> TiffWindows | None:
    """Open what may be translated in windows."""
    others = (request.size, request.interpolate, request.landmarks, request.heatmap, request.grid, request.move)
    beside = (request.source, request.keep_outside, request.labels, request.pages == "all")
    tiff = all(Path(name).suffix.lower() in SUFFIXES for name in (job.source, job.output))
    if any(others) or any(beside) or not tiff or job.member or job.lost:
        return None
    if request.tile is None and (not Path(job.source).is_file() or Path(job.source).stat().st_size < LARGE_FILE):
        return None
    return open_windows(Path(job.source), _page(request))


def _page(request: TranslationRequest) -> int:
    return request.pages - 1 if isinstance(request.pages, int) else 0


@dataclass
class _Translation:
    """One image from file to file.

    Attributes:
        windows: of the input.
        part: file of the result until it is whole.
        out: file of the result.
        source: what the input is.
        form: of the result.
        keep: whether what the input says of itself goes into the result.
        stack: closes the result.
        notes: what could not be kept.
        writing: the result, once there is a part of it.
    """

    windows: TiffWindows
    part: Path
    out: Path
    source: DomainFormat
    form: DomainFormat
    keep: bool
    stack: ExitStack
    notes: dict[str, None] = field(default_factory=dict)
    writing: TiffWriting | None = None

    @property
    def shape(self) -> torch.Size:
        """(1, C, H, W)."""
        return torch.Size((1, self.source.channels, self.windows.header.height, self.windows.header.width))

    def window(self, box: Box) -> Tensor:
        """Read a part."""
        picture = self._picture(box)
        if clipped_share(picture, self.source):
            self.notes[f"values outside of {self.source.low:g} to {self.source.high:g}, clipped"] = None
        return torch.from_numpy(images_to_planes([picture], self.source, box.height, box.width))

    def write(self, box: Box, part: Tensor) -> None:
        """Write a part of the result."""
        given = self._picture(box)
        (made,) = planes_to_images(part, [given], self.form, self.source)
        if self.keep:
            give(given, made)
        if self.writing is None:
            self.writing = self.stack.enter_context(self._begun(made))
        self.writing.write(box.top, box.left, made)

    def _begun(self, like: Picture) -> TiffWriting:
        options = {"icc_profile": like.info.get("icc_profile"), **saved_with(as_raster(like), self.out)[0]}
        self.notes |= dict.fromkeys(saved_with(like, self.out)[1])
        if not isinstance(like, Raster):
            options.pop(CHANNELS, None)
        return TiffWriting(self.part, (self.shape[-2], self.shape[-1]), like, options)

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
            facts, notes = _translated(job, out / job.output, made[job.variant], request, model, heard)
        except _Stopped:
            return
        except Exception as error:  # one image must not end a job of thousands
            reason = error.message.raw if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            tally.fail(number, job, " ".join(reason.split()))
        else:
            tally.done_file(number, job, facts, notes)


def _translated(
    job: Job, out: Path, variant: Variant, request: TranslationRequest, model: Translator, hear: Listener
) -> tuple[dict[str, Any], list[str]]:
    """Translate a file, and return what is to be known of it and what could not be kept."""
    to = model.domain(request.domain)
    windows = open_windows(Path(job.source), _page(request))
    if windows is None:
        raise UserError("it was changed meanwhile")
    out.parent.mkdir(parents=True, exist_ok=True)
    part = temporary_beside(out)
    style = model.style_to(request.to) if variant.style is None else variant.style
    drawn = None if style is None else torch.as_tensor(style)
    try:
        with windows, ExitStack() as stack:
            source, form, keep = model.format_into(to), model.format_of(to), request.metadata == "keep"
            one = _Translation(windows, part, out, source, form, keep, stack)
            fitting = Fitting(request.tile, hear, request.tile_statistics)
            model.translate_windows(one, to, one.write, seed=request.seed, style=drawn, fitting=fitting)
            facts = {"width": windows.header.width, "height": windows.header.height, "mode": windows.mode}
            lost = pages_lost(windows.header.pages) if request.pages == "first" else []
        part.replace(out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return facts, [*lost, *one.notes]
