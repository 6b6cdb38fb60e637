"""`instar study`: ask people which translations are better, blind, and count what they said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

from instar.cli.parser import console, parse
from instar.core.errors import UserError

if TYPE_CHECKING:
    from instar.evaluation.study import Result


@dataclass(frozen=True, kw_only=True)
class Study:
    """Ask people which of two translations is better: write one page for the browser, or --score its answers."""

    files: Annotated[Positional[tuple[Path, ...]], arg(metavar="RUN RUN... | ANSWERS...")] = ()
    """Two or more run directories or checkpoints; with --score the files that the page saved, one per participant."""
    score: Annotated[Path | None, arg(metavar="STUDY")] = None
    """Folder of a study whose answers are to be counted: instar study --score STUDY ANSWERS.json..."""
    out: Annotated[Path | None, arg(aliases=["-o"])] = None
    """Folder, to be made, for study.html, which the participants get, and key.json, which they do not; with --score
    for table.md and scores.json."""
    data: tuple[Path, ...] = ()
    """Images, laid out as for training; the first run's own test images if not given."""
    to: str | None = None
    """Domain to translate into, by its name or as A or B; B, the target of the training, if not given."""
    count: int = 50
    """Questions for each pair of runs. All pairs are asked on the same inputs. The page holds its pictures: with
    two runs and 50 questions 2 MB at 64 px, 5 MB at 128 px, 20 MB at 256 px; a third more with each further run."""
    question: str | None = None
    """What the participants are asked; "Which one is the better zebra?", with the name of the domain, if not given."""
    size: int | None = None
    """Side of the pictures in pixels; the size of the training, at which runs translate in any case, if not given."""
    seed: int = 0
    """Of the choice of inputs and sides, and of the models' noise or style."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto takes the first of cuda, mps, cpu that is there."""

    def __post_init__(self) -> None:
        if self.score and not self.files:
            raise UserError("no answers to count: instar study --score STUDY ANSWERS.json...")
        if not self.score and (len(self.files) < 2 or not self.out):
            raise UserError("a study needs two runs or more, and a folder: instar study RUN RUN -o STUDY")
        if not self.score and len({path.resolve() for path in self.files}) < len(self.files):
            raise UserError("a run is given twice")
        for flag, value in (("count", self.count), ("size", self.size)):
            if value is not None and value < 1:
                raise UserError(f"--{flag} {value}: must be 1 or more")
        if self.out and self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
            raise UserError(f"-o {self.out}: exists already; choose another folder")


def run(arguments: Sequence[str]) -> int:
    """Write a study or count its answers, and return 0."""
    args = parse(Study, arguments, "instar study")
    if args.score:
        return _score(args.score, args)
    from instar.evaluation.study import Key, choose
    from instar.reports.study_page import page, pictures

    screen = console()
    with screen.status("loading") as status:
        shown = pictures(
            args.files,
            args.data,
            count=args.count,
            size=args.size,
            to=args.to,
            seed=args.seed,
            device=args.device,
            tick=lambda what: status.update(f"translating: {what}"),
        )
    asked = choose(len(args.files), len(shown.inputs), args.seed)
    text = args.question or shown.question
    study, html = page(shown, asked, text, args.seed)
    key = Key(study, text, shown.direction, [str(path) for path in args.files], shown.names, asked, shown.notes)
    out = _write(args.out, {"study.html": html, "key.json": f"{key.as_json()}\n"})
    for note in shown.notes:
        screen.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
    facts = f"{len(asked)} questions, {len(html) / 1e6:.1f} MB"
    screen.print(f"written: {out / 'study.html'} ({facts})", markup=False, highlight=False, soft_wrap=True)
    said = f"count the answers with: instar study --score {out} ANSWERS.json...; keep key.json from the participants"
    screen.print(said, markup=False, highlight=False, soft_wrap=True)
    return 0


def _score(study: Path, args: Study) -> int:
    from instar.evaluation.study import read_answers, read_key, score
    from instar.reports.study_table import markdown

    key = read_key(study)
    result = score(key, [read_answers(path, key) for path in args.files])
    show(result, Console())
    if args.out:
        _write(args.out, {"table.md": markdown(result), "scores.json": f"{result.as_json()}\n"})
    return 0


def show(result: Result, screen: Console) -> None:
    """Print the preferences as a table, a column for each pair of runs."""
    from instar.reports.study_table import LEGEND, ROWS, title

    screen.print(title(result), highlight=False, markup=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for pair in result.pairs:
        table.add_column(f"A: {pair.a}\nB: {pair.b}", justify="right", overflow="fold")
    for name, cell in ROWS.items():
        table.add_row(name, *(cell(pair) for pair in result.pairs))
    screen.print(table)
    for note in [*LEGEND, *result.notes]:
        screen.print(f"note: {note}", highlight=False, markup=False)


def _write(out: Path | None, files: dict[str, str]) -> Path:
    assert out
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (out / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"-o {out}: cannot be written ({error.strerror})") from error
    return out
