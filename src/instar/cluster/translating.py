"""Translating files on a Ray cluster: Ray Data hands out parts, and actors hold the model."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

from instar.cluster.connect import connected
from instar.cluster.record import Known, Record, key
from instar.cluster.spreading import spread
from instar.core.config import Precision
from instar.core.errors import Message, Speller, UserError, in_python, setting
from instar.core.events import Listener, Noted, Stop, ignore
from instar.core.member import written
from instar.core.run import find_checkpoint
from instar.core.store import local
from instar.inference.base import BaseTranslator
from instar.inference.exported import is_exported
from instar.inference.jobs import is_file
from instar.inference.manifest import Tally
from instar.inference.parts import Done, Part, PartTranslator, parts_of
from instar.inference.request import TranslationRequest
from instar.inference.translate_files import Order, TranslationResult, translate_files

ELSEWHERE = ("inputs", "out", "grid")
"""Settings that do not change what becomes of an input."""


def translate_on_cluster(
    run: Path,
    request: TranslationRequest,
    address: str,
    *,
    device: str = "auto",
    precision: Precision = "32",
    on_event: Listener = ignore,
    stop: Stop | None = None,
    spell: Speller = in_python,
) -> TranslationResult:
    """Translate files as `translate_files` does, with the same results, by all machines of a cluster.

    What is done is noted beside the results. A repetition does what is missing, was changed or has failed.

    Args:
        run: directory of a run or of a checkpoint, an exported model, or an address of one.
        request: which files, and what to make of them.
        address: of the cluster, as of `connected`.
        device: where actors compute: auto, cpu, cuda or mps. On GPUs there is one actor for each, else for each CPU.
        precision: 32 or bf16.
        on_event: as of `translate_files`.
        stop: looked at after each part. What is done then is kept.
        spell: as of `translate_files`.

    Raises:
        UserError: as of `translate_files`; Ray is missing, there is no cluster, or a machine of it lacks the model.
    """
    if is_file(request.out):
        raise UserError(f"{setting('ray')} and {setting('out', request.out)}: give a folder for the results")
    work = _Work(address, run, device, precision)
    return translate_files(
        run, request, device="cpu", precision=precision, on_event=on_event, stop=stop, spell=spell, work=work
    )


@dataclass(frozen=True)
class _Given:
    """What an actor needs to know."""

    model: Path
    request: TranslationRequest
    out: Path
    device: str
    precision: Precision
    identity: str


@dataclass(frozen=True)
class _Task:
    """What an actor is given."""

    part: Part
    known: list[Known] | None
    """What is known of each job, if something is of all."""


@dataclass(frozen=True)
class _Work:
    """Does what `translate_files` orders."""

    address: str
    model: Path
    device: str
    precision: Precision

    def __call__(
        self,
        order: Order,
        tally: Tally,
        request: TranslationRequest,
        translator: BaseTranslator,
        hear: Listener,
        stop: Stop | None,
    ) -> None:
        """Do it; see `Work`."""
        identity = _identity(local(self.model), request, self.precision)
        # The inputs are in the parts: there may be millions.
        asked = replace(request, inputs=request.inputs[:1])
        work = _Translating(_Given(self.model, asked, order.out, self.device, self.precision, identity))
        record = Record(order.out, identity).read()
        tasks = [_Task(part, _known(part, record)) for part in parts_of(order.jobs, request, translator)]
        advised = False
        with connected(self.address) as ray:
            for place, done in spread(ray, work, tasks, device=self.device, method=translator.name):
                part = tasks[place].part
                for number, (job, entry) in enumerate(zip(part.jobs, done.entries, strict=True), part.first):
                    tally.enter(number, job, entry)
                for line in [*done.notes, *([] if advised else done.advice[:1])]:
                    hear(Noted(Message(line)))
                advised = advised or bool(done.advice)
                if stop is not None and stop.is_set():
                    break


def _known(part: Part, record: dict[str, Known]) -> list[Known] | None:
    found = [record.get(key(job)) for job in part.jobs]
    return None if None in found else [one for one in found if one]


def _identity(model: Path, request: TranslationRequest, precision: Precision) -> str:
    """Return what changes when results would."""
    files = [model, model.with_suffix(".bin")] if is_exported(model) else [*find_checkpoint(model).iterdir()]
    asked = [(one.name, getattr(request, one.name)) for one in fields(request) if one.name not in ELSEWHERE]
    given = [*request.reference, *([request.towards] if request.towards else [])]
    stamps = [(str(path), *written(path)) for path in sorted([*files, *given]) if path.is_file()]
    return repr((stamps, asked, precision))


class _Translating:
    """Translates parts where it is asked to, unless they are done."""

    def __init__(self, given: _Given) -> None:
        self._given = given

    def __call__(self, task: _Task) -> Done:
        jobs, out = task.part.jobs, self._given.out
        if task.known and all(one.holds(job, out) for one, job in zip(task.known, jobs, strict=True)):
            return Done([one.entry for one in task.known])
        done = self._translate(jobs, out)
        Record(out, self._given.identity).write(jobs, done.entries)
        return done

    @cached_property
    def _translate(self) -> PartTranslator:
        given = self._given
        return PartTranslator(given.model, given.request, given.device, given.precision)
