"""Which videos are translated how, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
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
from instar.inference.video_values import VideoValues, is_seen


def values_of(
    request: TranslationRequest, videos: Sequence[Job], forms: tuple[DomainFormat, DomainFormat]
) -> VideoValues:
    """Return what black and white of videos mean, and refuse what is not made of them.

    Args:
        request: what is asked for.
        videos: the jobs.
        forms: of the inputs and of the results.

    Raises:
        UserError: it names the setting, or what videos do not hold.
    """
    for what, form in zip(("inputs", "translations"), forms, strict=True):
        if videos and not form.plain and form.bands not in (1, 3):
            holds = f"a video holds gray or colour, {what} of this model have {form.bands} bands"
            raise UserError(f"{videos[0].source}: {holds}; give its frames as files")
    if request.video_range and forms[0].plain:
        why = "images of this model are gray or colour of 8 or 16 bits, of which videos have the whole range"
        raise UserError(f"{setting('video_range', request.video_range)}: {why}")
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
    return VideoValues(*forms, request.video_range)


def told(values: VideoValues) -> str:
    """Return in a line what black and white of videos are taken for; nothing where that is what they look like."""
    given, made = values.given, values.made
    if is_seen(given) and is_seen(made) and not values.ends:
        return ""
    choice = "" if values.ends else f" ({setting('video_range')} sets others)"
    taken = _ends([values.ends] if values.ends else given.ranges)
    return f"black and white of videos are {taken} of the inputs{choice}; those of the results are {_ends(made.ranges)}"


def _ends(ranges: Sequence[tuple[float, float]]) -> str:
    return " and ".join(", ".join(f"{one:g}" for one in side) for side in zip(*ranges, strict=True))


def work_videos(  # noqa: PLR0913  (what `work` takes, for another kind of job)
    videos: Sequence[Job],
    first: int,
    out: Path,
    made: Sequence[Variant],
    tally: Tally,
    values: VideoValues,
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
        values: from `values_of`.
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
                replace(values, notes={}),
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
