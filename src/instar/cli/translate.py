"""`instar translate`: files, folders and patterns in, one image of the same name and kind out for each."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields, make_dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tyro.conf import Positional, UseAppendAction, arg

from instar.cli.flags import spell
from instar.cli.parser import console, parse
from instar.cli.progress import say
from instar.cli.signals import stop_on_signals
from instar.core.config import Device, Precision
from instar.core.errors import Mention, UserError
from instar.core.events import Event, Noted, Worked
from instar.core.settings import field_docs
from instar.core.store import examples
from instar.inference.jobs import FRAMES
from instar.inference.request import TranslationRequest
from instar.inference.tiles.sizes import TILES

if TYPE_CHECKING:
    from instar.inference.translate_files import TranslationResult

ABOUT = (
    "Translate images and videos: each gives one of the same name, size, depth, mode and format. Exit code 1 if any "
    "failed."
)
RUN = (
    "Run directory (its last checkpoint is used), one checkpoint, an exported file, or the address of a model: "
    "hf://OWNER/NAME, file:///PATH, or demo:NAME of those that come with Instar, with pictures to translate."
)
DEVICE = "Where to compute; auto takes the first of cuda, mps, cpu that is there."
PRECISION = (
    "32: float32. bf16: half of the time where the device has it; results change by some gray levels in a few pixels. "
    "auto: bf16 there, if the first image is close to that of float32."
)
RAY = (
    "Translate by all machines of a Ray cluster: auto, HOST:PORT, ray://HOST:PORT, or local for this machine alone. "
    "Repeated, it does only what is missing."
)
SHAPES: dict[str, Any] = {
    "inputs": Positional[tuple[str, ...]],
    "reference": UseAppendAction[tuple[Path, ...]],
    "move": UseAppendAction[tuple[str, ...]],
}
"""Of settings that are not given once, after their flag."""
PARTS = {TILES: "tiles", FRAMES: "frames"}
"""What is counted within a result."""
NAMES: dict[str, dict[str, Any]] = {
    "inputs": {"metavar": "INPUT..."},
    "out": {"aliases": ["-o"]},
    "source": {"name": "from"},
}
"""Of settings whose flag is not only their name."""


def run(arguments: Sequence[str]) -> int:
    """Translate, and return 0 if all went well, 1 if some failed, 130 if it was stopped."""
    args = parse(_flags(), arguments, "instar translate")
    screen = console()
    tell = partial(say, screen)
    given = {one.name: getattr(args, one.name) for one in fields(TranslationRequest)}
    if not args.inputs:
        own = examples(args.run)
        if own is None:
            raise UserError("nothing to translate: instar translate RUN INPUT... -o OUT")
        tell(f"note: no images given: these are the drawn pictures that come with {args.run}")
        given["inputs"] = (str(own),)
    request = TranslationRequest(**given)
    do = _translating(args.ray)
    stop = threading.Event()
    with stop_on_signals(stop), _bar(screen) as move:

        def listen(event: Event) -> None:
            if isinstance(event, Worked):
                move(event)
            elif isinstance(event, Noted):
                tell(f"note: {event.text.spelled(spell)}")

        done = do(
            args.run,
            request,
            device=args.device,
            precision=args.precision,
            on_event=listen,
            stop=stop,
            spell=spell,
        )
    tell(_summary(done))
    if done.grid:
        tell(f"the first of them side by side: {done.grid}")
    return 130 if done.stopped else int(bool(done.failed))


def _translating(ray: str | None) -> Callable[..., TranslationResult]:
    """Return what translates: this process, or a cluster."""
    if ray:
        from instar.cluster.translating import translate_on_cluster

        return partial(translate_on_cluster, address=ray)
    from instar.inference.translate_files import translate_files

    return translate_files


def _flags() -> type[Any]:
    """Return the settings of a request as flags with help texts, and beside them where the model is and computes."""
    hints, docs = get_type_hints(TranslationRequest, include_extras=True), field_docs(TranslationRequest)
    places = (
        ("device", Annotated[Device, arg(help=DEVICE)], "auto"),
        ("precision", Annotated[Precision, arg(help=PRECISION)], "32"),
        ("ray", Annotated[str | None, arg(help=RAY, metavar="ADDRESS")], None),
    )
    made: list[Any] = [("run", Annotated[Positional[Path], arg(metavar="RUN", help=RUN)])]
    for one in fields(TranslationRequest):
        default = [] if one.default is MISSING else [one.default]
        kind = SHAPES.get(one.name, hints[one.name])
        flag = arg(help=_spelled(docs[one.name]), **NAMES.get(one.name, {}))
        made.append((one.name, Annotated[kind, flag], *default))
    return make_dataclass("Translate", [*made, *places], kw_only=True, namespace={"__doc__": ABOUT})


def _spelled(help_text: str) -> str:
    """Write the settings that stand in backticks in a help text as flags."""
    return re.sub(r"`([a-z_.]+)`", lambda found: spell(Mention(found[1])), help_text)


def _summary(done: TranslationResult) -> str:
    into = f"image{'s' * (done.total > 1)} into {done.out}"
    parts = [f"{'stopped: ' * done.stopped}translated {done.translated} of {done.total} {into}"]
    if done.failed:
        first, more = done.failed[0], ", ..." * (len(done.failed) > 1)
        parts.append(f"{len(done.failed)} failed: {first.file}: {first.reason.spelled(spell)}{more}")
    if done.ignored:
        parts.append(f"{done.ignored} other file{'s' * (done.ignored > 1)} ignored")
    return "; ".join(parts) + (f" (all listed in {done.manifest})" if done.manifest else "")


@contextmanager
def _bar(screen: Console) -> Iterator[Callable[[Worked], None]]:
    """Show a progress line in a terminal, and give the function that moves it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, disable=not screen.is_terminal, transient=True) as shown:
        images, parts = (shown.add_task("", total=None, speed="", visible=seen) for seen in (True, False))
        began = time.monotonic()

        def move(event: Worked) -> None:
            if event.what in PARTS:
                going = event.done < event.total or not event.total
                name, total = PARTS[event.what], event.total or None
                shown.update(parts, completed=event.done, total=total, description=name, visible=going)
                return
            speed = event.done / max(time.monotonic() - began, 1e-9)
            shown.update(images, completed=event.done, total=event.total, speed=f"{speed:.1f} images/s")

        yield move
