"""Which videos are translated how, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from instar.core.errors import UserError, setting
from instar.core.events import Listener, Worked, note
from instar.core.formats import DomainFormat
from instar.inference.batches import at_once, pixels_for
from instar.inference.jobs import FRAMES, Job
from instar.inference.manifest import Tally
from instar.inference.request import TranslationRequest
from instar.inference.variants import Variant
from instar.inference.video import Stopped, translate_video


def check_videos(request: TranslationRequest, videos: Sequence[Job], forms: tuple[DomainFormat, DomainFormat]) -> None:
    """Refuse what is not made of videos.

    Args:
        request: what is asked for.
        videos: the jobs.
        forms: of the inputs and of the results.

    Raises:
        UserError: it names the setting, or what videos do not hold.
    """
    for what, form in zip(("inputs", "translations"), forms, strict=True):
        if videos and not _is_seen(form):
            holds = "a video holds gray or colour over its whole range"
            others = f"{form.bands} x {form.dtype} from {form.low:g} to {form.high:g}"
            raise UserError(f"{videos[0].source}: {holds}, {what} of this model are {others}; give its frames as files")
    pictures = {
        "interpolate": request.interpolate,
        "landmarks": request.landmarks,
        "heatmap": request.heatmap,
        "grid": request.grid,
        "keep_outside": request.keep_outside is not None,
        "labels": request.labels is not None,
        "metadata": request.metadata == "keep",
    }
    for name, given in pictures.items():
        if videos and given:
            raise UserError(f"{setting(name)}: {videos[0].source} is a video, of which there is only the translation")


def _is_seen(form: DomainFormat) -> bool:
    """Tell whether images of a domain are gray or colour over the whole range of their type, as those of videos."""
    return form.plain or (form.whole_type and form.bands in (1, 3) and not form.inverted)


def work_videos(  # noqa: PLR0913  (what `work` takes, for another kind of job)
    videos: Sequence[Job],
    first: int,
    out: Path,
    made: Sequence[Variant],
    tally: Tally,
    *,
    request: TranslationRequest,
    device: str,
    hear: Listener,
    stopped: Callable[[], bool],
) -> None:
    """Translate videos one by one. What goes wrong with one is noted, and the others go on.

    Args:
        videos: the jobs.
        first: number of the first in the manifest.
        out: folder for the results.
        made: the variants.
        tally: told what became of each.
        request: says how.
        device: that computes.
        hear: told of frames and of flicker.
        stopped: asked after each batch of frames; a video that is not at its end then is not written.
    """

    def batch(width: int, height: int) -> int:
        return at_once(width, height, request.batch, pixels_for(device))

    for number, job in enumerate(videos, first):
        if stopped():
            return
        try:
            clip = translate_video(
                Path(job.source),
                out / job.output,
                made[job.variant].make,
                batch=batch,
                tick=lambda done, total: hear(Worked(FRAMES, done, total)),
                stopped=stopped,
            )
        except Stopped:
            return
        except UserError as error:
            tally.fail(number, job, error.message.raw.removeprefix(f"{job.source}: "))
        else:
            tally.done_file(number, job, clip.facts(), clip.notes)
            hear(note(f"{job.output}: {clip.flicker}"))
