"""`instar evaluate`: the scores of a run on held-out images, or of pictures in a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

from instar.cli.parser import console, parse
from instar.core.errors import UserError

if TYPE_CHECKING:
    from instar.evaluation.label_maps import LabelTask
    from instar.evaluation.runs import Report
    from instar.evaluation.scores import Score
    from instar.metrics.diversity import ImageDistance
    from instar.metrics.extractors import Extractor


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
    extractor: str = "inception"
    """Features in which distances are taken: inception (FID and KID of the literature), mobilenet, torchvision:NAME,
    or module.path:callable of your own. none for a method that finds domains: scores its clusters alone."""
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
    pairs (minutes, once), or module.path:callable of your own."""
    size: int | None = None
    """Side of the centre squares that are compared; if not given, that of a run's training, or of --images the short
    side of the first one."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto takes the first of cuda, mps, cpu that is there."""
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
        if self.size is not None and self.size < 8:
            raise UserError(f"--size must be at least 8, not {self.size}")
        for flag, text in (("palette", self.palette), ("segmenter", self.segmenter)):
            if self.images and text is not None:
                raise UserError(f"--{flag} is for a run: instar evaluate RUN [DATA] --{flag} {text}")


def run(arguments: Sequence[str]) -> int:
    """Measure, print a table, and return 0."""
    args = parse(Evaluate, arguments, "instar evaluate")
    screen = console()
    with screen.status("loading") as status:
        report = _report(args, lambda what: status.update(f"measuring: {what}"))
    show(report, Console())
    if args.out:
        from instar.core.files import write_atomically

        try:
            write_atomically(args.out, f"{report.as_json()}\n".encode())
        except OSError as error:
            raise UserError(f"-o {args.out}: cannot be written ({error.strerror})") from error
    return 0


def _report(args: Evaluate, tick: Callable[[str], None]) -> Report:
    from instar.evaluation.folders import evaluate_folders
    from instar.evaluation.runs import Extras, evaluate

    if args.images and args.reference:
        found = _extractor(args)
        assert found
        return evaluate_folders(args.images, args.reference, found, inputs=args.inputs, size=args.size)
    extractor = _extractor(args)
    return evaluate(
        args.run[0],
        args.run[1:],
        extractor=extractor,
        to=args.to,
        every=args.every,
        extras=Extras(_distance(args, extractor), _labels(args), args.size),
        device=args.device,
        tick=tick,
    )


def _distance(args: Evaluate, extractor: Extractor | None) -> tuple[ImageDistance, str] | None:
    from instar.metrics.diversity import distance_for

    if not args.diversity or extractor is None:
        return None
    return distance_for(extractor, weights=args.lpips_weights)


def _labels(args: Evaluate) -> LabelTask | None:
    from instar.evaluation.label_maps import LabelTask

    if args.palette is None and args.segmenter is None:
        return None
    return LabelTask(Path(args.palette) if args.palette and args.palette != "auto" else None, args.segmenter)


def _extractor(args: Evaluate) -> Extractor | None:
    """Return the features; none for a run that is judged by the accuracy of its classifier, or where none are asked."""
    from instar.core import registry
    from instar.core.abilities import Classifying
    from instar.core.run import find_checkpoint, read_config
    from instar.metrics.extractors import load_extractor

    if args.run and args.extractor == "none":
        return None
    if args.run and args.weights is None and args.extractor == "inception":
        config = read_config(find_checkpoint(args.run[0]) / "config.yaml")
        if issubclass(registry.get(config.name), Classifying):
            return None
    return load_extractor(args.extractor, args.weights)


def show(report: Report, screen: Console) -> None:
    """Print the scores as a table, a row for each."""
    from instar.evaluation.scores import ARROWS

    screen.print(f"{report.run}  {report.method}  {report.direction}".strip(), highlight=False, markup=False)
    screen.print(report.protocol, highlight=False, markup=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for column in report.columns:
        when = f"\nstep {column.step:,}, {column.minutes:.1f} min" if column.step is not None else ""
        table.add_column(column.title + when, justify="right")
    names = list(dict.fromkeys(score.name for column in report.columns for score in column.scores))
    for name in names:
        found = [{score.name: score for score in column.scores}.get(name) for column in report.columns]
        better = next(score.better for score in found if score)
        table.add_row(f"{name} {ARROWS[better]}", *(cell(score) for score in found))
    screen.print(table)
    for note in report.notes:
        screen.print(f"note: {note}", highlight=False, markup=False)


def cell(score: Score | None) -> str:
    """Return a score and its 95 % interval, with as many digits as its size deserves."""
    if score is None:
        return ""
    places = 1 if abs(score.value) >= 20 else 2 if abs(score.value) >= 5 else 4
    text = f"{score.value:.{places}f}"
    if score.low is not None and score.high is not None:
        text += f" ({score.low:.{places}f} to {score.high:.{places}f})"
    return text
