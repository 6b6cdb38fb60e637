"""Jobs in parts that other processes do: each comes to the same results, wherever and in whatever order it is done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from instar.core.config import Precision
from instar.core.events import Event, Noted
from instar.inference.base import BaseTranslator
from instar.inference.bulk import WINDOW
from instar.inference.jobs import Job
from instar.inference.load import load
from instar.inference.manifest import Entries, Entry
from instar.inference.request import TranslationRequest
from instar.inference.translate_files import Order, divided, finishing, looker, work_through
from instar.inference.variants import variants


class Part(NamedTuple):
    """Some of the jobs.

    Attributes:
        first: number of the first in the manifest.
        jobs: that follow each other there.
    """

    first: int
    jobs: Sequence[Job]


class Done(NamedTuple):
    """What became of a part.

    Attributes:
        entries: of its jobs, in their order.
        notes: that a user should read, with settings as in `Message.raw`.
        advice: on images that are much larger than those of the training.
    """

    entries: Sequence[Entry]
    notes: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()


def parts_of(jobs: Sequence[Job], request: TranslationRequest, translator: BaseTranslator) -> list[Part]:
    """Return all jobs in parts, in the order of the manifest.

    Images of one part are batched among themselves. As the batches of one process do not reach beyond a window of files
    either, they are the same: results are equal bit for bit.
    """
    images, windowed = divided([job for job in jobs if not job.video], request, translator)
    whole = [images[start : start + WINDOW] for start in range(0, len(images), WINDOW)]
    single = [[job] for job in [*windowed, *(job for job in jobs if job.video)]]
    found: list[Part] = []
    for some in [*whole, *single]:
        found.append(Part(found[-1].first + len(found[-1].jobs) if found else 0, some))
    return found


class PartTranslator:
    """A model with what a request makes of it, for one part after another."""

    def __init__(self, model: Path, request: TranslationRequest, device: str, precision: Precision) -> None:
        """Load the model. Errors are those of `translate_files`."""
        self._request, self._translator = request, load(model, device, precision)
        self._notes: list[str] = []
        self._advice: list[str] = []
        self._made = variants(request, self._translator, self._hear)
        self._finish = finishing(request, self._made, self._translator)
        self._look = looker(request, self._translator, self._advise)

    def __call__(self, jobs: Sequence[Job], out: Path) -> Done:
        """Do the jobs of a part, whose results go to a folder. What goes wrong with one is in its entry."""
        self._notes, self._advice = [], []
        tally = Entries()
        order = Order(jobs, out, self._made, self._finish, self._look)
        work_through(order, tally, self._request, self._translator, self._hear, None)
        return Done([tally.found[n] for n in range(len(jobs))], tuple(self._notes), tuple(self._advice))

    def _hear(self, event: Event) -> None:
        if isinstance(event, Noted):
            self._notes.append(event.text.raw)

    def _advise(self, event: Event) -> None:
        if isinstance(event, Noted):
            self._advice.append(event.text.raw)
