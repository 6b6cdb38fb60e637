"""`instar translate`: files, folders and patterns in, one image of the same name and kind out for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tyro.conf import Positional, UseAppendAction, arg

from instar.cli.parser import console, parse
from instar.core.config import LARGE
from instar.core.errors import UserError

if TYPE_CHECKING:
    from instar.inference.bulk import Tally
    from instar.inference.jobs import Job

LANDMARKS = "landmarks.csv"


@dataclass(frozen=True, kw_only=True)
class Translate:
    """Translate images: each gives one of the same name, size, depth, mode and format. Exit code 1 if any failed."""

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """Run directory (its last checkpoint is used) or one checkpoint."""
    inputs: Annotated[Positional[tuple[str, ...]], arg(metavar="INPUT...")]
    """Images, folders with all their subfolders, or quoted patterns such as 'photos/**/*.jpg'."""
    out: Annotated[Path, arg(aliases=["-o"])]
    """Folder for the results; manifest.jsonl in it has a line for every input."""
    to: str | None = None
    """Domain to translate into, by its name or as A or B; B, the target of the training, if not given. TUNIT's own
    domains have numbers from 0; all gives cat_domain0.png, cat_domain1.png, ..."""
    size: int | None = None
    """Short side at which the network works; results are resized back. For images much larger than those of the
    training, or than the memory allows. The images' own size if not given."""
    batch: int = 8
    """Most images of one size that go through the network together."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto takes the first of cuda, mps, cpu that is there."""
    seed: int = 0
    """Of the model's noise or style, if it has any."""
    samples: int | None = None
    """Styles drawn for each image, the same ones for all: cat.png gives cat_seed0-0.png, cat_seed0-1.png, ..."""
    reference: UseAppendAction[tuple[Path, ...]] = ()
    """Image of the domain translated into, whose style all results take: cat.png gives cat_like-NAME.png. May be given
    several times."""
    interpolate: int | None = None
    """Pictures on the way from one style to another, or to that of --reference, or between those of two references: a
    strip as PNG, moving as GIF. For methods with a shared code instead of styles: the way from each image to
    --reference."""
    towards: Path | None = None
    """Image of the inputs' domain to whose landmarks --interpolate leads, while the appearance stays."""
    move: UseAppendAction[tuple[str, ...]] = ()
    """Move a landmark of the inputs before they are translated, NUMBER:RIGHT,DOWN in half sides of the image, such as
    7:+0.1,-0.05. May be given several times; --landmarks shows the numbers."""
    source: Annotated[str | None, arg(name="from")] = None
    """Domain of the inputs, for methods with landmarks; the other than --to if not given. If it is the same, images are
    not translated but drawn anew in their own domain."""
    landmarks: bool = False
    """Write also the numbered landmarks, over input and output in cat_landmarks.png, and of all inputs in
    landmarks.csv."""
    heatmap: bool = False
    """Write also where the model looks, laid over the input: cat_heatmap.png."""
    grid: bool = False
    """Write also grid.png: the first 20 inputs, a row for each, with all their results."""

    def __post_init__(self) -> None:
        least = {"size": 8, "batch": 1, "seed": 0, "samples": 1, "interpolate": 2}
        for flag, smallest in least.items():
            value = getattr(self, flag)
            if value is not None and value < smallest:
                raise UserError(f"--{flag} must be at least {smallest}, not {value}")
        if not self.inputs:
            raise UserError("nothing to translate: instar translate RUN INPUT... -o OUT")
        if self.grid and self.interpolate:
            raise UserError("--grid and --interpolate: give one of the two; a strip shows all its pictures")


def run(arguments: Sequence[str]) -> int:
    """Translate, and return 0 if all went well, 1 if some failed, 130 if it was stopped."""
    args = parse(Translate, arguments, "instar translate")
    from instar.core.run import load_method
    from instar.engine.signals import stop_on_signals
    from instar.inference.bulk import PIXELS, PIXELS_CPU, Tally, work
    from instar.inference.contact_sheet import GRID, check, write_grid
    from instar.inference.jobs import MANIFEST, collect
    from instar.inference.translator import Translator
    from instar.inference.variants import variants

    collect(args.inputs, args.out)  # what is wrong with the inputs is told before seconds of loading
    method, config = load_method(args.run)
    translator = Translator(method, config, args.device)
    made = variants(args, translator, translator.domain(None if args.to == "all" else args.to))
    jobs = collect(args.inputs, args.out, [variant.naming for variant in made])
    if args.grid:
        check(jobs)
    screen = console()
    say = partial(screen.print, markup=False, highlight=False, soft_wrap=True)
    look = _looker(None if args.size else config.data.short_side, say)
    pixels = PIXELS_CPU if translator.device.type == "cpu" else PIXELS
    total = sum(bool(job.output) for job in jobs)
    table = _opened(args.out / LANDMARKS) if args.landmarks else nullcontext()
    with stop_on_signals() as stop, _opened(args.out / MANIFEST) as file, table as rows, _bar(screen, total) as tick:
        tally = Tally(file, tick, rows)
        try:
            work(
                jobs,
                args.out,
                [variant.make for variant in made],
                tally,
                batch=args.batch,
                pixels=pixels,
                look=look,
                stopped=lambda: stop.asked,
            )
        finally:
            tally.flush()
    stopped = tally.ok + tally.failed < total
    say(_summary(tally, total, args.out, stopped=stopped))
    if args.grid and write_grid(jobs, [variant.naming for variant in made], args.out, args.reference):
        say(f"the first of them side by side: {args.out / GRID}")
    return 130 if stopped else int(tally.failed > 0)


def _summary(tally: Tally, total: int, out: Path, *, stopped: bool) -> str:
    parts = [f"{'stopped: ' * stopped}translated {tally.ok} of {total} image{'s' * (total > 1)} into {out}"]
    if tally.failed:
        parts.append(f"{tally.failed} failed: {tally.first_failure}{', ...' * (tally.failed > 1)}")
    if tally.ignored:
        parts.append(f"{tally.ignored} other file{'s' * (tally.ignored > 1)} ignored")
    return "; ".join(parts) + f" (all listed in {out / 'manifest.jsonl'})"


def _looker(trained: int | None, say: Callable[[str], None]) -> Callable[[Job, tuple[int, int]], None]:
    """Return a function that names --size once, at the first image far larger than the `trained` short side."""
    said = trained is None

    def look(job: Job, size: tuple[int, int]) -> None:
        nonlocal said
        if not said and trained is not None and min(size) > LARGE * trained:
            said = True
            say(
                f"note: {job.source} is {size[0]} x {size[1]}, the model was trained on images of short side "
                f"{trained}; if the results disappoint, try --size {trained}"
            )

    return look


@contextmanager
def _opened(manifest: Path) -> Iterator[IO[str]]:
    try:
        manifest.parent.mkdir(parents=True, exist_ok=True)
        file = manifest.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"cannot write {manifest}: {error.strerror}") from error
    with file:
        yield file


@contextmanager
def _bar(screen: Console, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress line in a terminal, and give the function that moves it by one image."""
    columns = (BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"), TimeRemainingColumn())
    with Progress(*columns, console=screen, disable=not screen.is_terminal, transient=True) as shown:
        task = shown.add_task("", total=total, speed="")
        began = time.monotonic()
        count = 0

        def tick() -> None:
            nonlocal count
            count += 1
            speed = count / (time.monotonic() - began)
            shown.update(task, completed=count, speed=f"{speed:.1f} images/s")

        yield tick
