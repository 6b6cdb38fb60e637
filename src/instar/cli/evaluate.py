"""`instar evaluate`: the scores of a run on held-out images, or of pictures in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional, arg

from instar.cli.flags import spell
from instar.cli.parser import console, parse
from instar.cli.progress import Screen
from instar.core.errors import Message, UserError
from instar.core.settings import PositiveInt

if TYPE_CHECKING:
    from instar.core.events import Listener
    from instar.evaluation.report import Report
    from instar.evaluation.score import Score


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score a run on held-out images, or the pictures of any tool: --images OUT --reference DIR."""

    run: Annotated[Positional[tuple[Path, ...]], arg(metavar="[RUN [DATA...]]")] = ()
    """Run directory or one checkpoint; then, if not the run's own, the images: a data set folder or one per domain."""
    images: Path | None = None
    """Folder of translations, instead of a run."""
    reference: Path | None = None
    """Folder of real images of the target domain, for --images."""
    inputs: Path | None = None
    """Folder of what the translations were made from, under the same names: adds how much changed."""
    labels: Path | None = None
    """Folder of label maps of the --images, under the same names: adds how well a segmenter finds them there."""
    reference_labels: Path | None = None
    """Folder of label maps of the --reference images: the unet is trained on half of these instead, and the other half
    is a column of its own."""
    extractor: str = "inception"
    """Features in which distances are taken: inception (FID and KID of the literature), mobilenet, efficientnet,
    torchvision:NAME, timm:NAME, or module.path:callable of your own. none for a method that finds domains: scores its
    clusters alone."""
    weights: Path | None = None
    """File with the extractor's weights. mobilenet needs it; the others fetch theirs if it is not given."""
    to: str | None = None
    """Domain to translate into, by its name or as A or B; B, the target of the training, if not given."""
    every: bool = False
    """Score all checkpoints of the run, not the last alone."""
    diversity: bool = False
    """For methods with styles: add how different 20 translations of an image are (LPIPS, over 100 images)."""
    lpips_weights: Path | None = None
    """File with the weights of LPIPS' backbone, torchvision's AlexNet; fetched if not given."""
    palette: str | None = None
    """For pairs of photographs and label maps: score the labels. A file with a line "name red green blue" for each
    class ("name red green blue ignore" is not scored), or auto to take the colours of the label maps."""
    segmenter: str | None = None
    """What finds the labels in photographs that are made from label maps: unet, which is trained on the real training
    pairs (minutes, once), or module.path:callable of your own. With --labels unet is trained on every other image."""
    size: int | None = None
    """Side of the centre squares that are compared; if not given, that of a run's training, or of --images the short
    side of the first one."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto takes the first of cuda, mps, cpu that is there."""
    devices: PositiveInt = 1
    """Processes of this machine that translate and compute features: GPUs, or CPU processes that share the processors.
    The scores are the same."""
    ray: Annotated[str | None, arg(metavar="ADDRESS")] = None
    """Translate, and compute features, by all machines of a Ray cluster: auto, HOST:PORT, ray://HOST:PORT, or local for
    this machine alone. The scores are the same."""
    out: Annotated[Path | None, arg(aliases=["-o"])] = None
    """File for all numbers, as JSON."""

    def __post_init__(self) -> None:
        if bool(self.run) == bool(self.images):
            raise UserError("give a run, or --images and --reference: instar evaluate RUN [DATA]")
        if bool(self.images) != bool(self.reference):
            raise UserError(
                "--images and --reference belong together: translations and real images of the target domain"
            )
        if self.run and self.inputs:
            raise UserError("--inputs is for --images; a run brings its own")
        for flag, text in (("palette", self.palette), ("segmenter", self.segmenter)):
            if self.images and text is not None and not self.labels:
                raise UserError(
                    f"--{flag} is for a run: instar evaluate RUN [DATA] --{flag} {text}; or for --images with --labels"
                )
        if self.reference_labels and not self.labels:
            raise UserError("--reference-labels is for --images with --labels")
        if self.run and self.labels:
            raise UserError("--labels is for --images; a run has its pairs of photographs and label maps: --palette")


def run(arguments: Sequence[str]) -> int:
    """Measure, print a table, and return 0."""
    args = parse(Evaluate, arguments, "instar evaluate")
    with Screen(console(), "loading") as on_event:
        report = _report(args, on_event)
    show(report, Console())
    if args.out:
        from instar.core.files import write_atomically

        try:
            write_atomically(args.out, f"{report.as_json()}\n".encode())
        except OSError as error:
            raise UserError(f"-o {args.out}: cannot be written ({error.strerror})") from error
    return 0


def _report(args: Evaluate, on_event: Listener) -> Report:
    from instar.api.evaluate import evaluate, evaluate_folders

    if args.images and args.reference:
        return evaluate_folders(
            args.images,
            args.reference,
            args.inputs,
            extractor=args.extractor,
            weights=args.weights,
            size=args.size,
            labels=args.labels,
            reference_labels=args.reference_labels,
            palette=args.palette,
            segmenter=args.segmenter,
            devices=args.devices,
            ray=args.ray,
            on_event=on_event,
        )
    return evaluate(
        args.run[0],
        args.run[1:],
        extractor=None if args.extractor == "none" else args.extractor,
        weights=args.weights,
        to=args.to,
        every=args.every,
        diversity=args.diversity,
        lpips_weights=args.lpips_weights,
        palette=args.palette,
        segmenter=args.segmenter,
        size=args.size,
        device=args.device,
        devices=args.devices,
        ray=args.ray,
        on_event=on_event,
    )


def show(report: Report, screen: Console) -> None:
    """Print the scores as a table, a row for each."""
    about = Message(f"{report.run}  {report.method}  {report.direction}".strip())
    screen.print(about, highlight=False, markup=False)
    screen.print(report.protocol, highlight=False, markup=False)
    table = _table(report, " ")
    wide = screen.measure(table, options=screen.options.update(width=10_000)).maximum
    screen.print(table if wide <= screen.width else _table(report, "\n"))
    for column in report.columns:
        if column.verdict:
            screen.print(f"{column.title}: {column.verdict}", highlight=False, markup=False)
    for note in report.notes:
        screen.print(f"note: {note.spelled(spell)}", highlight=False, markup=False)


def _table(report: Report, between: str) -> Table:
    """Return a row for each score; `between` stands before intervals, which may have a line of their own."""
    from instar.evaluation.score import ARROWS

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for column in report.columns:
        when = f"\nstep {column.step:,},{between}{column.minutes:.1f} min" if column.step is not None else ""
        table.add_column(Text(column.title + when), justify="right")
    names = list(dict.fromkeys(score.name for column in report.columns for score in column.scores))
    for name in names:
        found = [{score.name: score for score in column.scores}.get(name) for column in report.columns]
        better = next(score.better for score in found if score)
        table.add_row(Text(f"{name} {ARROWS[better]}".strip()), *(cell(score, between) for score in found))
    return table


def cell(score: Score | None, between: str = " ") -> str:
    """Return a score and its 95 % interval, with as many digits as its size deserves."""
    if score is None:
        return ""
    places = 1 if abs(score.value) >= 20 else 2 if abs(score.value) >= 5 else 4
    text = f"{score.value:.{places}f}"
    if score.low is not None and score.high is not None:
        text += f"{between}({score.low:.{places}f} to {score.high:.{places}f})"
    return text
